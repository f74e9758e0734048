import type { ByteOrder, ModbusType } from '../registers/types.ts';
import type { BodyFormat } from './contract.ts';
import type { PayloadType, WhenValue } from './keys.ts';

/** A step of a slash path through XML; `nth` counts from 1 among siblings of one name. */
export interface XmlStep {
  readonly name: string;
  readonly nth: number;
}

/** Where in a message a value is. */
export type Place =
  | { readonly kind: 'pointer'; readonly tokens: readonly string[] }
  | { readonly kind: 'property' | 'annotation'; readonly name: string }
  | { readonly kind: 'column'; readonly name: string }
  /** Counted from 1, as people count columns. */
  | { readonly kind: 'column-number'; readonly number: number }
  | { readonly kind: 'byte'; readonly offset: number }
  | { readonly kind: 'element'; readonly steps: readonly XmlStep[]; readonly attribute?: string }
  | { readonly kind: 'whole' };

export type TimeFormat =
  | { readonly kind: 'auto' | 'iso' | 's' | 'ms' | 'us' | 'ns' }
  | { readonly kind: 'registers'; readonly type: ModbusType }
  | { readonly kind: 'pattern'; readonly pattern: string };

/** One value of a message, decided. Plain data; two equal addresses are deeply equal. Absent keys mean the default. */
export interface PayloadAddress {
  readonly body: BodyFormat;
  readonly place: Place;
  /** The place as a person wrote it, for reasons. */
  readonly shown: string;
  readonly type?: PayloadType;
  readonly byteOrder?: ByteOrder;
  readonly length?: number;
  readonly time?: { readonly place: Place; readonly shown: string };
  readonly timeFormat?: TimeFormat;
  readonly timeZone?: string;
  /** All must match; a value is one of those listed. */
  readonly when?: readonly WhenTest[];
  /** A message without the place says nothing about the point. */
  readonly keep?: true;
  readonly separator?: string;
  readonly decimalComma?: true;
  readonly header?: boolean;
  readonly match?: string;
}

export interface WhenTest {
  readonly place: Place;
  readonly values: readonly WhenValue[];
}
