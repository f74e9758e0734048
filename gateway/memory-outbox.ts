import type { NextOptions, Outbox, OutboxBatch, OutboxCounters, OutboxEvent } from './outbox/contract.ts';

/**
 * An outbox without a disk, for measurements ("the same run without it") and for tests of what stands around it.
 * Keeps order and accounts; keeps nothing over a restart.
 */
export function memoryOutbox(): Outbox {
  const events: { sequence: number; text: string; readings: number; fromMs: number }[] = [];
  let nextSequence = 1;
  let handed = 0;
  let queued = 0;
  let acked = 0;
  let dropped = 0;
  let wake: (() => void) | undefined;

  const forget = (batch: OutboxBatch): void => {
    while (events[0] && events[0].sequence <= batch.lastSequence) {
      events.shift();
      handed--;
    }
  };
  return {
    append(event: OutboxEvent): Promise<void> {
      const sequence = nextSequence++;
      events.push({ sequence, text: event.encode(sequence), readings: event.readings, fromMs: event.fromMs });
      queued += event.readings;
      wake?.();
      return Promise.resolve();
    },
    async next(options: NextOptions, signal: AbortSignal): Promise<OutboxBatch | undefined> {
      while (handed >= events.length && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
      if (signal.aborted) return undefined;
      const first = events[handed]!;
      let size = 0;
      let end = handed;
      while (end < events.length && (end === handed || size + events[end]!.text.length + 1 < options.maxBodyBytes))
        size += events[end++]!.text.length + 1;
      const taken = events.slice(handed, end);
      handed = end;
      const text = taken.length === 1 ? first.text : `[${taken.map((event) => event.text).join(',')}]`;
      return {
        firstSequence: first.sequence,
        lastSequence: taken.at(-1)!.sequence,
        readings: taken.reduce((sum, event) => sum + event.readings, 0),
        fromMs: first.fromMs,
        body: Buffer.from(text),
        events: taken.length,
        encoding: 'utf-8',
      };
    },
    acknowledge(batch) {
      acked += batch.readings;
      forget(batch);
    },
    rewind() {
      handed = 0;
    },
    reject(batch) {
      dropped += batch.readings;
      forget(batch);
    },
    counters(): OutboxCounters {
      const pending = queued - acked - dropped;
      return {
        queued,
        acked,
        dropped,
        pending,
        droppedBy: dropped ? { rejected: dropped } : {},
        recovered: 0,
        pendingEvents: events.length,
        bytesOnDisk: 0,
        nextSequence,
        commits: 0,
        gaps: 0,
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}
