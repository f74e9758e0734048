import type { Status } from './status.ts';
import type { RawValue, ValueType } from './value.ts';

/** Why a sample is not plain good. One object may be shared by every point that one failed request touched. */
export interface SampleState {
  readonly status: Status;
  /** For the person at the machine: "no answer from unit 3 within 1 s". */
  readonly reason?: string;
}

/**
 * What an adapter saw, many points at once and column by column, so that nothing is allocated per value.
 * Column entries belong to the point at the same place of `points`.
 */
export interface SampleBatch {
  /** Gateway time of arrival, epoch milliseconds. */
  readonly receivedMs: number;
  /** Indexes into the list of points given to `observe`. */
  readonly points: ArrayLike<number>;
  /** `undefined` where nothing usable came; then `states` says why. */
  readonly values: ArrayLike<RawValue | undefined>;
  /** Absent, or undefined at a place: status Good. */
  readonly states?: ArrayLike<SampleState | undefined>;
  /** Source time in epoch milliseconds; absent: the protocol carries none and `receivedMs` stands in. */
  readonly sourceTimesMs?: ArrayLike<number>;
  /** What a source time has beyond its millisecond, in units of 100 ns (0..9999). */
  readonly sourceTicks?: ArrayLike<number>;
  /** Only where the mapping cannot know the type (OPC UA): the type the machine declared. */
  readonly types?: ArrayLike<ValueType | undefined>;
  /**
   * Points proven at `receivedMs` to be as last reported, though no new value came
   * (an OPC UA keep-alive, or a notification of the same subscription). They are not stale.
   */
  readonly verified?: ArrayLike<number>;
  /** Something was lost between machine and adapter: becomes a gap record. */
  readonly lost?: readonly Loss[];
  /** Called once everything in this batch is durable in the outbox (an AMQP delivery or MQTT packet may now be acknowledged). */
  readonly acknowledge?: () => void;
  /** Called instead when the outbox did not take it (full, disk error): the source should keep it and give it again. */
  readonly refuse?: (reason: string) => void;
  /**
   * Which machine this is of, where the equipment id is a pattern (`equipment: press-{id}`): the captures that fill it.
   * One batch, one machine. Never seen before: the gateway makes it, within the bound of the settings. Absent: the equipment itself.
   */
  readonly machine?: Captures;
  /**
   * Points that make themselves known with this batch, of points whose name is a pattern (`"{metric}"`). `points` and `verified` refer to
   * the observed points by their place, and to those that appeared by `observed.length` + order of appearance within their machine
   * and this `observe`. A pattern point itself never has a sample. A name that came before is not said again.
   */
  readonly appeared?: readonly Appearance[];
}

/** What the placeholders of a topic matched: `{ line: 'l1', id: '7' }`. */
export type Captures = Readonly<Record<string, string>>;

export interface Appearance {
  /** Place of the pattern among the observed points. */
  readonly pattern: number;
  readonly captures: Captures;
}

export interface Loss {
  readonly point?: number;
  readonly reason: string;
  readonly count?: number;
}
