import type { Quality } from '../model/quality.ts';
import type { SampleState } from '../model/sample.ts';
import type { Priority } from '../model/telemetry.ts';
import type { RawValue, Value, ValueType } from '../model/value.ts';
import type { Expression } from './expression/expression.ts';

/** One machine, compiled: everything decided at load, nothing looked up per value. Immutable, comparable by `hash`. */
export interface CompiledEquipment {
  readonly id: string;
  /** ISA-95 `enterprise/site/area/line[/cell]`; empty when not given. */
  readonly path: string;
  readonly description?: string;
  readonly file: string;
  readonly adapter: string;
  /** Parsed connection block, as the adapter's schema gives it. */
  readonly settings: unknown;
  readonly points: readonly CompiledPoint[];
  /** How readings are grouped; empty: one message with everything. */
  readonly messages: readonly CompiledMessage[];
  /** The placeholders in id and path: it stands for every machine that makes itself known. Absent: one machine. */
  readonly captures?: readonly string[];
  /** Over everything below: equal hash, nothing to do. */
  readonly hash: string;
  /** Over adapter and settings alone. */
  readonly connectionHash: string;
}

/** A group of points that leave together, from `telemetry:`. Points that no group names leave in the machine's own message. */
export interface CompiledMessage {
  readonly name: string;
  /** Whether a point of this name belongs to it. */
  readonly covers: (point: string) => boolean;
  /** Readings wait so long to leave together; undefined: as the gateway's `batchFor`. */
  readonly everyMs: number | undefined;
  readonly priority: Priority;
}

export interface CompiledPoint {
  readonly name: string;
  /** The name has placeholders: it stands for every point that makes itself known, and has no readings itself. */
  readonly pattern?: true;
  /** As the adapter's `compilePoint` made it. */
  readonly address: unknown;
  readonly rawType: ValueType | undefined;
  readonly everyMs: number;
  /** After this long without a sample or proof of life the point is bad. */
  readonly staleAfterMs: number;
  /** Report at least this often though unchanged; undefined: only on change. */
  readonly atLeastEveryMs: number | undefined;
  /** UCUM code of the value that leaves. */
  readonly unit: string | undefined;
  /** Type of the value that leaves, where it can be known before one came. */
  readonly valueType?: ValueType | undefined;
  readonly description: string | undefined;
  readonly convert: Converter;
  readonly deadband: Deadband | undefined;
  readonly write: WriteGuard | undefined;
  /** The way back; only of a point that may be written. */
  readonly inverse?: Inverse;
  readonly hash: string;
}

/**
 * Meaning for one raw value. Called for every sample: must not throw and must not allocate beyond its result.
 * Fills `out`, which the caller reuses, and returns it.
 */
export type Converter = (raw: RawValue, rawType: ValueType | undefined, state: SampleState | undefined, out: Converted) => Converted;

/** From a value that is to be written to the raw one. */
export interface Inverse {
  /** Between two values that the machine can hold, in the unit that leaves; undefined where values have no such step. */
  readonly step: number | undefined;
  /** What comes out reads back as `value`; a value that the machine cannot hold is refused, with those nearest to it. Does not throw. */
  toRaw(value: Value): Writable;
}

export type Writable = { readonly raw: RawValue } | { readonly refused: string };

/** Reused by the caller between calls; every converter sets every field. */
export interface Converted {
  value: Value | undefined;
  /** int64, uint64, decimal, bytes, datetime; undefined where JSON alone tells. */
  type: ValueType | undefined;
  quality: Quality;
  /** undefined: plain Good. Interned objects, so that two equal states are usually the same object. */
  state: SampleState | undefined;
}

/** Compares with the last *reported* value. True when the change is large enough to leave. */
export interface Deadband {
  readonly width: number;
  exceeded(reported: Value, value: Value): boolean;
}

/** `write:` of a point. Checked at load that some value can pass; the write path enforces it. */
export interface WriteGuard {
  readonly min?: number;
  readonly max?: number;
  readonly maxStep?: number;
  readonly atMostEveryMs?: number;
  readonly onlyWhen?: string;
  /** `onlyWhen`, compiled. */
  readonly condition?: Expression;
  readonly readBack?: boolean;
  readonly expiresMs?: number;
}
