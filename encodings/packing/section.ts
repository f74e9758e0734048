import type { HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { MessageSubject } from '../contract.ts';

/** Text, or bytes where the encoding is binary; one encoding uses one kind. */
export type Chunk = string | Uint8Array;

/**
 * What one event, or a part of it that belongs together, is before bodies are filled with it: pieces, one for each reading, within a frame.
 * A section is whole unless it does not fit a body or every reading stands alone; then it is cut between its pieces, and each part has a frame.
 */
export interface Section {
  readonly event: Pick<HubEvent, 'id' | 'sequence' | 'time'>;
  readonly about: MessageSubject;
  /** In the order of the pieces; empty for what is never cut, a gap record: then the frame is all there is. */
  readonly readings: readonly TelemetryReading[];
  readonly separator: string;
  /** Most bytes that a frame takes. */
  readonly frameBytes: number;
  /** All pieces with separators between them. */
  joined(): Chunk;
  pieces(): readonly Chunk[];
  /** Called once for each part that leaves, in order. */
  frame(part: Part): Frame;
}

export interface Frame {
  readonly head: Chunk;
  readonly tail: Chunk;
}

export interface Part {
  readonly index: number;
  readonly of: number;
}

/** A section that is never cut: the record of a loss. */
export function uncut(event: Section['event'], about: MessageSubject, text: Chunk, head: Chunk = ''): Section {
  return {
    event,
    about,
    readings: [],
    separator: '',
    frameBytes: Buffer.byteLength(head) + Buffer.byteLength(text),
    joined: () => '',
    pieces: () => [],
    frame: () => ({ head, tail: text }),
  };
}

export const whole: Part = { index: 0, of: 1 };

/** How sections become one body. */
export interface Form {
  /** What stands before the sections; called once for each body. At most `open` of any other id and count of the same length. */
  open(id: string, sections: number): string;
  close(sections: number): string;
  readonly between: string;
  contentType(sections: number): string;
  /** Whether a single reading may stay on its topic: it says when it was and whether it is good, and a bad one replaces it. */
  readonly retains: boolean;
}

/** `eventId`, `eventId.1`, `eventId.2`, … */
export function partId(id: string, index: number): string {
  return index === 0 ? id : `${id}.${index}`;
}

/** Gateway time of the oldest of some readings, epoch milliseconds; `otherwise` where there is none. */
export function oldestMs(readings: readonly TelemetryReading[], from: number, to: number, otherwise: string): number {
  let oldest = otherwise;
  for (let i = from; i < to; i++) {
    const { received, time } = readings[i]!;
    const at = received ?? time;
    // RFC 3339 in UTC with four-digit years sorts as text.
    if (i === from || at < oldest) oldest = at;
  }
  return Date.parse(oldest);
}

/** Puts pieces of one kind together; bytes know no separator. */
export function joinChunks(chunks: readonly Chunk[], separator = ''): Chunk {
  return chunks.some((chunk) => typeof chunk !== 'string') ? bytesOf(chunks) : chunks.join(separator);
}

export function bytesOf(chunks: readonly Chunk[]): Uint8Array {
  if (chunks.every((chunk) => typeof chunk === 'string')) return Buffer.from(chunks.join(''));
  return Buffer.concat(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)));
}
