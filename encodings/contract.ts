import type { z } from 'zod';
import type { Plant } from '../model/plant.ts';
import type { HubEvent, Priority } from '../model/telemetry.ts';

/** What is known of an encoding before it is loaded. */
export interface EncodingForm<Settings = unknown> {
  /** The word after `encoding:`. */
  readonly name: string;
  /** Strict object; every key has a default, so that `encoding: NAME` alone works. */
  readonly settings: z.ZodType<Settings>;
  /** Bodies are no text: they have no lines. */
  readonly binary?: true;
}

/**
 * One form that readings leave in. Pure: events in, bytes out; knows no hub and no network.
 * What an encoding cannot carry it says in `drops`, and never invents a value for a bad reading.
 */
export interface Encoding<Settings = unknown> extends EncodingForm<Settings> {
  readonly summary: string;
  /** What a consumer of this form does not get, a sentence each; empty when nothing is lost. */
  readonly drops: readonly string[];
  open(settings: Settings, context: EncodingContext): Encoder;
}

export interface EncodingContext {
  /** Id of the gateway. */
  readonly gateway: string;
  /** CloudEvents source: `/candyco/leeds/gw-leeds-1`. */
  readonly source: string;
  readonly plant: Plant;
}

/**
 * How much one message holds: as many events as fit, the readings of one event (one machine, one message),
 * or one reading (one topic a tag).
 */
export type Grain = 'batch' | 'event' | 'reading';

export interface EncodeOptions {
  readonly grain: Grain;
  /** No body is larger; an event that would be is split by its readings. A single reading that does not fit stands alone, too large: the hub refuses it. */
  readonly maxBodyBytes: number;
}

/** State of one session with one hub (metadata that went out, numbers of messages); a new session opens a new encoder. */
export interface Encoder {
  /** In order; every reading that is not dropped by design is in exactly one message. Metadata messages come before the data that needs them. */
  encode(events: readonly HubEvent[], options: EncodeOptions): readonly EncodedMessage[];
}

export interface EncodedMessage {
  /** Stable: the same events encoded again get the same ids. Unique within the gateway. */
  readonly id: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  /** Readings inside; 0 for metadata and gap records. */
  readonly readings: number;
  /** Epoch milliseconds of the oldest reading. */
  readonly createdMs: number;
  /** What it is about, for topics, addresses and routing; absent for a batch of several machines. */
  readonly about?: MessageSubject;
  /** A last value that may stay on a topic: it carries time and quality, and the next one replaces it. */
  readonly retain?: boolean;
}

export interface MessageSubject {
  readonly equipment: string;
  /** ISA-95 path; empty when there is none. */
  readonly path: string;
  /** Name of the message; `telemetry` where the mapping groups nothing, `gap` for a gap record, `metadata` for descriptions. */
  readonly message: string;
  readonly priority: Priority;
  /** Given with grain `reading`. */
  readonly point?: string;
}
