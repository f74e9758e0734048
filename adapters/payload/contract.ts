import type { SampleState } from '../../model/sample.ts';
import type { RawValue, ValueType } from '../../model/value.ts';

/** How the body of a message is written. `value`: the protocol has decoded it already (an AMQP value section, a Sparkplug metric). */
export const bodyFormats = ['json', 'text', 'csv', 'binary', 'xml'] as const;
export type BodyFormat = (typeof bodyFormats)[number];

/**
 * A decoded body: what JSON knows, and what it does not: integers beyond 2^53 as `bigint`, decimals that a double cannot carry as
 * `{ decimal: '90071992547409.93' }`, byte strings, points in time.
 */
export type Tree =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | { readonly decimal: string }
  | { readonly timeMs: number; readonly ticks?: number }
  | readonly Tree[]
  | ReadonlyMap<string, Tree>;

/** One message as an adapter received it. */
export interface Message {
  /** Bytes to be decoded as the points' `body` says, or a tree that the protocol decoded. */
  readonly body: Uint8Array | { readonly tree: Tree };
  /** Header fields and application properties by name (AMQP properties, MQTT user properties, HTTP headers). */
  property?(name: string): Tree | undefined;
  /** AMQP message annotations. */
  annotation?(name: string): Tree | undefined;
  /** Source time that the protocol itself carries, epoch milliseconds. */
  readonly timeMs?: number;
  /** Gateway time of arrival, epoch milliseconds. */
  readonly receivedMs: number;
}

/** Columns of samples, ready to be put into a SampleBatch. A CSV body of several rows gives several entries for one point, oldest first. */
export interface MessageSamples {
  readonly points: number[];
  readonly values: (RawValue | undefined)[];
  readonly states: (SampleState | undefined)[];
  readonly sourceTimesMs: number[];
  readonly sourceTicks: number[];
  readonly types: (ValueType | undefined)[];
}

/** Reads messages for a fixed set of points; made once, used for every message. Bodies are decoded once per format, whatever the number of points. */
export interface MessageReader {
  /**
   * The samples of all points whose `when` lets the message through; none matched: empty columns, which is no fault.
   * A place that is missing or holds what the point cannot take is a bad sample with a reason that names the place.
   * Throws UndecodableError when the body as a whole cannot be read.
   */
  read(message: Message): MessageSamples;
}
