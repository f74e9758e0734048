import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';
import type { GapRecord, Outbox, OutboxBatch, OutboxEvent, OutboxSettings } from '../contract.ts';

/** A telemetry event or a gap record as the tests write them. */
export interface TestEvent {
  readonly sequence: number;
  readonly n?: number;
  readonly gap?: GapRecord;
  readonly fill?: string;
}

export function settings(folder: string, more: Partial<OutboxSettings> = {}): OutboxSettings {
  return {
    folder,
    maxSizeBytes: 64 * 1024 * 1024,
    maxAgeMs: 7 * 86_400_000,
    whenFull: 'drop-oldest',
    commitEveryMs: 1,
    encodeGap: (gap, sequence) => JSON.stringify({ sequence, gap } satisfies TestEvent),
    ...more,
  };
}

/** Of the writer that is killed: one takes its time, one refuses some. */
export const killDestinations = [
  { name: 'slow', required: true },
  { name: 'picky', required: true },
];

export function event(n: number, readings = 1, fill = '', times = { fromMs: n, toMs: n }): OutboxEvent {
  return { encode: (sequence) => JSON.stringify({ sequence, n, fill } satisfies TestEvent), readings, ...times };
}

/** Letters that zstd cannot shrink much, so that sizes on disk can be planned. */
export function noise(length: number, seed = 1): string {
  let [state, text] = [seed * 2_654_435_761, ''];
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36);
  }
  return text.slice(0, length);
}

export function eventsOf(batch: OutboxBatch): TestEvent[] {
  const plain = batch.encoding === 'zstd' ? zstdDecompressSync(batch.body) : batch.body;
  const value = JSON.parse(Buffer.from(plain).toString('utf8')) as TestEvent | TestEvent[];
  return Array.isArray(value) ? value : [value];
}

export const plainOptions = { maxBodyBytes: 200_000, compressed: false };

/** Takes the next batch that is there within `withinMs`. */
export function take(outbox: Outbox, options = plainOptions, withinMs = 5_000, name = 'hub'): Promise<OutboxBatch | undefined> {
  return outbox.cursor(name).next(options, AbortSignal.timeout(withinMs));
}

/** Takes, checks the batch against its own figures, acknowledges, until nothing is pending. */
export async function drain(outbox: Outbox, options = plainOptions): Promise<TestEvent[]> {
  const events: TestEvent[] = [];
  while (outbox.counters().pendingEvents > 0) {
    const batch = await take(outbox, options);
    if (!batch) throw new Error(`nothing came, but ${JSON.stringify(outbox.counters())}`);
    const some = eventsOf(batch);
    if (some.length !== batch.events || some[0]?.sequence !== batch.firstSequence || some.at(-1)?.sequence !== batch.lastSequence)
      throw new Error(`a batch of ${batch.firstSequence}–${batch.lastSequence} holds ${JSON.stringify(some)}`);
    events.push(...some);
    outbox.cursor('hub').acknowledge(batch);
  }
  return events;
}

export function balance(outbox: Outbox): number {
  const { queued, acked, dropped, pending } = outbox.counters();
  return queued - acked - dropped - pending;
}

/** Sequence numbers that neither arrived nor stand in a gap record. */
export function unexplained(events: readonly TestEvent[], from: number, to: number): number[] {
  const known = new Set(events.map((e) => e.sequence));
  for (const { gap } of events) {
    if (gap?.firstSequence === undefined) continue;
    for (let s = gap.firstSequence; s <= Math.min(gap.lastSequence!, to); s++) known.add(s);
  }
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i).filter((s) => !known.has(s));
}

export const [cloud, plant, extra] = [
  { name: 'cloud', required: true },
  { name: 'plant', required: true },
  { name: 'extra', required: false },
] as const;

/** Takes and acknowledges up to the last number that was given out, and what a gap record adds a moment later. */
export async function drained(outbox: Outbox, name: string, quietMs = 150): Promise<TestEvent[]> {
  const events: TestEvent[] = [];
  const cursor = outbox.cursor(name);
  for (;;) {
    const behind = cursor.counters().position < outbox.counters().nextSequence - 1;
    const batch = await take(outbox, plainOptions, behind ? 5_000 : quietMs, name);
    if (!batch) return events;
    events.push(...eventsOf(batch));
    cursor.acknowledge(batch);
  }
}

export const numbers = (events: readonly TestEvent[]): number[] => events.flatMap((e) => (e.n === undefined ? [] : [e.n]));
export const gaps = (events: readonly TestEvent[]): GapRecord[] => events.flatMap((e) => (e.gap ? [e.gap] : []));
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Appends events of 20 KB (13 on disk) with so many readings each, numbered from `first`. */
export async function fill(outbox: Outbox, first: number, count: number, readings = 1): Promise<void> {
  for (let n = first; n < first + count; n++) await outbox.append(event(n, readings, noise(20_000, n + 1)));
}

/** Overwrites one byte with its complement. */
export function rot(path: string, offset: number): void {
  const byte = readFileSync(path)[offset]!;
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.from([byte ^ 0xff]), 0, 1, offset);
  closeSync(fd);
}
