import { constants, gunzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

/** One CloudEvent as it came. */
export type CloudEvent = Readonly<Record<string, unknown>>;

/** What the hub keeps of an event besides the event itself. */
export interface EventHead {
  readonly source: string;
  /** The life of the gateway's outbox that counted this event: its id without the number. A new outbox counts from 1 again. */
  readonly epoch: string;
  /** Undefined for events that are not counted. */
  readonly sequence: number | undefined;
  readonly subject: string;
  /** Epoch milliseconds; the time of arrival when the event carries none. */
  readonly timeMs: number;
  readonly gap: GapHead | undefined;
}

/** A `dragoman.gap.v1` event: the gateway says what it lost. */
export interface GapHead {
  readonly fromMs: number;
  readonly toMs: number;
  readonly readings: number;
  readonly reason: string;
  /** Absent when the lost events never got a number. */
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
}

/** How a body lies on the disk. */
export type BodyEncoding = 'plain' | 'gzip' | 'zstd';

/** A compressed message may grow to this, in bytes; a larger one is kept unread. */
const maxPlainBytes = 32 * 1024 * 1024;
const fastZstd = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** `$.ce` of a message as a body encoding; anything unknown (utf-8, utf-16) is plain. */
export function bodyEncoding(contentEncoding: string | undefined): BodyEncoding {
  const name = contentEncoding?.trim().toLowerCase();
  return name === 'gzip' || name === 'zstd' ? name : 'plain';
}

/** Throws when the bytes are not what the encoding says, or would be larger than 32 MB. */
export function plainBody(body: Uint8Array, encoding: BodyEncoding): Uint8Array {
  if (encoding === 'gzip') return gunzipSync(body, { maxOutputLength: maxPlainBytes });
  if (encoding === 'zstd') return zstdDecompressSync(body, { maxOutputLength: maxPlainBytes });
  return body;
}

/** Smaller on disk where it pays. */
export function storedBody(body: Uint8Array, encoding: BodyEncoding): { readonly body: Uint8Array; readonly encoding: BodyEncoding } {
  if (encoding !== 'plain' || body.length < 512) return { body, encoding };
  const compressed = zstdCompressSync(body, fastZstd);
  return compressed.length < body.length ? { body: compressed, encoding: 'zstd' } : { body, encoding };
}

/** The CloudEvents in a plain body (one object, or an array of them); undefined when it holds something else. */
export function parseEvents(plain: Uint8Array): readonly CloudEvent[] | undefined {
  const first = plain[0];
  // Only { [ and white space can begin it: do not decode what is surely binary.
  if (first !== 0x7b && first !== 0x5b && first !== 0x20 && first !== 0x0a && first !== 0x0d && first !== 0x09) return undefined;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString('utf8'));
    const events = Array.isArray(parsed) ? parsed : [parsed];
    return events.length > 0 && events.every(isCloudEvent) ? events : undefined;
  } catch {
    return undefined;
  }
}

function isCloudEvent(value: unknown): value is CloudEvent {
  if (typeof value !== 'object' || value === null) return false;
  const event = value as CloudEvent;
  return typeof event.specversion === 'string' && typeof event.id === 'string' && typeof event.source === 'string';
}

export function headOf(event: CloudEvent, arrivedMs: number): EventHead {
  const id = String(event.id);
  const sequence = sequenceNumber(event.sequence);
  const tail = `/${String(event.sequence)}`;
  return {
    source: String(event.source),
    epoch: sequence !== undefined && id.endsWith(tail) ? id.slice(0, -tail.length) : '',
    sequence,
    subject: typeof event.subject === 'string' ? event.subject : '',
    timeMs: timeOf(event.time) ?? arrivedMs,
    gap: event.type === 'dragoman.gap.v1' ? gapOf(event.data, arrivedMs) : undefined,
  };
}

function gapOf(data: unknown, arrivedMs: number): GapHead | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const gap = data as Record<string, unknown>;
  return {
    fromMs: timeOf(gap.from) ?? arrivedMs,
    toMs: timeOf(gap.to) ?? arrivedMs,
    readings: Math.max(0, Math.trunc(finite(gap.readings) ?? 0)),
    reason: String(gap.reason ?? 'no reason given').slice(0, 500),
    firstSequence: sequenceNumber(gap.firstSequence),
    lastSequence: sequenceNumber(gap.lastSequence),
  };
}

const finite = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && Math.abs(value) < 8.64e15 ? value : undefined;

/** A text that is no time is none. */
function timeOf(text: unknown): number | undefined {
  const time = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** A whole number from 0 to 2^53 - 1, as text or number. */
function sequenceNumber(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
