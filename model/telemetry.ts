import type { Quality } from './quality.ts';
import type { Value, ValueType } from './value.ts';

/** From the most to the least urgent. */
export const priorities = ['command-result', 'alarm', 'state', 'telemetry', 'bulk'] as const;
export type Priority = (typeof priorities)[number];

/** CloudEvents 1.0 with the extensions this gateway uses; the JSON of an event is this object. */
interface CloudEvent<Type extends string, Data> {
  readonly specversion: '1.0';
  /** `gateway/outbox/sequence`; with `source` the key to find duplicates by. */
  readonly id: string;
  readonly source: string;
  readonly type: Type;
  /** Equipment id, or the gateway's for what concerns the whole of it. */
  readonly subject: string;
  /** RFC 3339, UTC: gateway time of the last reading. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  /** Rises by one per event of this gateway's outbox, never repeats; decimal digits. */
  readonly sequence: string;
  /** For a destination that does not get every event: the sequence of the one it got before. Proves completeness where numbers have holes. */
  readonly previous?: string;
  readonly partitionkey: string;
  /** Absent: `telemetry`. */
  readonly priority?: Priority;
  readonly data: Data;
}

export type TelemetryEvent = CloudEvent<'dragoman.telemetry.v1', TelemetryData>;
export type GapEvent = CloudEvent<'dragoman.gap.v1', GapData>;
/** What leaves the outbox, as parsed from its JSON. Tell apart by `type`; unknown types pass through where the encoding can carry them. */
export type HubEvent = TelemetryEvent | GapEvent;

export interface TelemetryData {
  readonly equipment: string;
  /** ISA-95; absent when the mapping gives none. */
  readonly path?: string;
  /** Name of the message that the mapping's `telemetry:` groups; absent: the one message with everything. */
  readonly message?: string;
  readonly readings: readonly TelemetryReading[];
}

/** A reading as it stands in the message. Good quality and Good status are left out. */
export interface TelemetryReading {
  readonly point: string;
  /** int64, uint64, decimal, bytes (base64) and datetime are strings, told apart by `type`. Absent: none. */
  readonly value?: Exclude<Value, bigint>;
  readonly type?: ValueType;
  /** UCUM. */
  readonly unit?: string;
  readonly quality?: Quality;
  readonly status?: string;
  readonly statusCode?: number;
  readonly reason?: string;
  /** Source time of the last good reading, RFC 3339; given with a bad one. */
  readonly lastGood?: string;
  /** Source time, RFC 3339 UTC, up to 100 ns. */
  readonly time: string;
  /** Gateway time of arrival, where it differs from `time`. */
  readonly received?: string;
}

/** A loss, said aloud. */
export interface GapData {
  readonly equipment?: string;
  readonly point?: string;
  readonly from: string;
  readonly to: string;
  readonly readings: number;
  readonly reason: string;
  /** Sequence numbers that will never arrive, inclusive. */
  readonly firstSequence?: string;
  readonly lastSequence?: string;
  /** The destination that lost them; absent: all of them did, or there is only one. */
  readonly destination?: string;
}
