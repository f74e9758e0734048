import type { z } from 'zod';
import type { SampleState } from '../model/sample.ts';
import type { RawValue, ValueType } from '../model/value.ts';

/**
 * What an adapter teaches the mapping language: its connection block, its own point keys, its notation for `at`.
 * Pure: nothing here touches a network or loads a protocol library, so `dragoman check` stays light.
 */
export interface AdapterLanguage<Settings = unknown, Address = unknown> {
  /** The word after `connection.adapter:`. */
  readonly name: string;
  readonly summary: string;
  /**
   * The machine sends by itself. `every` then says how often it is expected to; a point that gives neither `every` nor `staleAfter`
   * is stale after five minutes of silence.
   */
  readonly pushes?: boolean;
  /** The `connection:` block without `adapter`. Strict: an unknown key is a problem. Written durations become milliseconds. */
  readonly connection: z.ZodType<Settings>;
  /** The adapter's own point keys, beside the common ones. Strict object schema; every key optional unless truly needed. */
  readonly point: z.ZodObject;
  /** Reads `at` and the own keys of one point. Reports what is wrong and returns undefined when no address came out. */
  compilePoint(source: PointSource<Settings>, report: Report): CompiledAddress<Address> | undefined;
  /** Checks across the points of one piece of equipment: overlaps, quantities. */
  checkEquipment?(points: readonly PlacedPoint<Address>[], settings: Settings, report: ReportAt): void;
  /**
   * Turns the `given:` of a sample into what the adapter would have decoded, by the same codec as on the wire.
   * Points that the sample does not touch are left out.
   */
  sample(
    given: Readonly<Record<string, unknown>>,
    points: readonly PlacedPoint<Address>[],
    settings: Settings,
    report: SampleReport,
  ): ReadonlyMap<string, RawSample>;
  /**
   * What observing this point takes away from others, by name (a queue that is emptied). Absent or undefined: observing only looks.
   * A shadow run observes nothing new that takes.
   */
  takes?(address: Address): string | undefined;
  /** True when two connection blocks use the same wire in the same way, so a reload need not reopen it. Default: deep equality. */
  sameConnection?(a: Settings, b: Settings): boolean;
}

export interface PointSource<Settings = unknown> {
  readonly name: string;
  /** As written; adapters that allow it to be left out get undefined. */
  readonly at: string | undefined;
  /** The own keys, parsed by `point`, defaults of the equipment already applied. */
  readonly own: Readonly<Record<string, unknown>>;
  readonly settings: Settings;
  /** Polling or sampling interval in milliseconds. */
  readonly everyMs: number;
  readonly write: boolean;
  /** True when the point has `bit` or `bits`: the raw value must be an integer. */
  readonly bits: boolean;
}

export interface CompiledAddress<Address> {
  /** Plain data; two equal addresses are deeply equal. It decides whether a reload touches the point. */
  readonly address: Address;
  /** Type of the raw value; undefined where only the machine knows (OPC UA). */
  readonly rawType: ValueType | undefined;
  /** Placeholders that a sample of this point comes with (`{line}` in its topic), which the names of point, equipment and path may use. */
  readonly captures?: readonly string[];
}

export interface PlacedPoint<Address = unknown> {
  readonly name: string;
  readonly address: Address;
  readonly rawType: ValueType | undefined;
  readonly everyMs: number;
}

export interface RawSample {
  readonly raw: RawValue | undefined;
  /** What the report prints before the conversion steps: `holding 100 = 0xE979 0x42F6, float32 CDAB`. */
  readonly shown: string;
  /** Only where the mapping cannot know the type: what the machine said. */
  readonly type?: ValueType;
  /** As the adapter would have given it with the value: why there is none. */
  readonly state?: SampleState;
}

export interface Finding {
  readonly rule: string;
  readonly severity?: 'error' | 'warn';
  readonly message: string;
  readonly hint?: string;
  /** Characters into the text of the key, where a part of it is at fault. */
  readonly inside?: number;
}

/** Reports about the point being compiled; `key` names the key at fault (`at`, `byteOrder`), whose place in the file is looked up. */
export type Report = (key: string, finding: Finding) => void;
/** Reports about a named point's key. */
export type ReportAt = (point: string, key: string, finding: Finding) => void;
/** Reports about an entry of `given`. */
export type SampleReport = (given: string, finding: Finding) => void;
