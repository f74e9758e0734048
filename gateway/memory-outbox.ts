import type { CursorCounters, DestinationSettings, Outbox, OutboxCounters, OutboxCursor, OutboxEvent } from './outbox/contract.ts';

interface Held {
  readonly sequence: number;
  readonly text: string;
  readonly readings: number;
  readonly fromMs: number;
  /** Readings of it that a required destination will never get: the log counts them as dropped already. */
  lost: number;
}

/**
 * An outbox without a disk, for measurements ("the same run without it") and for tests of what stands around it.
 * Keeps order and the accounts of each destination; has no limit, so nobody is overtaken, and keeps nothing over a restart.
 */
export function memoryOutbox(destinations: readonly DestinationSettings[] = [{ name: 'hub', required: true }]): Outbox {
  const log = new HeldEvents();
  const cursors = new Map(destinations.map(({ name, required }) => [name, memoryCursor(log, required)]));
  return {
    append(event: OutboxEvent): Promise<void> {
      log.add(event);
      return Promise.resolve();
    },
    cursor(name) {
      const cursor = cursors.get(name);
      if (!cursor) throw new RangeError(`the outbox knows no destination "${name}"`);
      return cursor;
    },
    counters: () => log.counters(),
    async [Symbol.asyncDispose]() {},
  };
}

/** The events that somebody has not got yet, and the accounts of the log. */
class HeldEvents {
  readonly events: Held[] = [];
  readonly wakes = new Set<() => void>();
  readonly positions: { readonly required: boolean; position: number }[] = [];
  queued = 0;
  #acked = 0;
  #dropped = 0;
  #countedThrough = 0;
  #next = 1;

  add({ encode, readings, fromMs }: OutboxEvent): void {
    const sequence = this.#next++;
    this.events.push({ sequence, text: encode(sequence), readings, fromMs, lost: 0 });
    this.queued += readings;
    for (const wake of this.wakes) wake();
  }

  /** Index of the first event after `sequence`. */
  after(sequence: number): number {
    const first = this.events[0];
    return first ? Math.max(0, sequence - first.sequence + 1) : 0;
  }

  lose(event: Held, readings: number): void {
    const more = Math.max(0, readings - event.lost);
    this.#dropped += more;
    event.lost += more;
  }

  /** A position moved: what all required ones have is acknowledged, what all have is forgotten. */
  moved(): void {
    const through = Math.min(...this.positions.filter((one) => one.required).map((one) => one.position));
    for (let i = this.after(this.#countedThrough); i < this.after(through); i++) {
      const { lost, readings } = this.events[i]!;
      this.#acked += readings - lost;
    }
    this.#countedThrough = through;
    this.events.splice(0, this.after(Math.min(...this.positions.map((one) => one.position))));
  }

  counters(): OutboxCounters {
    const [acked, dropped] = [this.#acked, this.#dropped];
    return {
      queued: this.queued,
      acked,
      dropped,
      pending: this.queued - acked - dropped,
      droppedBy: dropped > 0 ? { rejected: dropped } : {},
      recovered: 0,
      pendingEvents: this.events.length - this.after(this.#countedThrough),
      bytesOnDisk: 0,
      nextSequence: this.#next,
      commits: 0,
      gaps: 0,
    };
  }
}

function memoryCursor(log: HeldEvents, required: boolean): OutboxCursor {
  const at = { required, position: 0 };
  log.positions.push(at);
  let [handedThrough, acked, dropped] = [0, 0, 0];
  let lastMark: string | undefined;

  /** Gives the events from the position up to this one, which are finished now. */
  const finish = (lastSequence: number): Held[] => {
    const finished = log.events.slice(log.after(at.position), log.after(lastSequence));
    at.position = Math.max(at.position, lastSequence);
    return finished;
  };
  return {
    async next(options, signal) {
      while (log.after(handedThrough) >= log.events.length && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        log.wakes.add(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
        await promise;
        log.wakes.delete(resolve);
      }
      if (signal.aborted) return undefined;
      const start = log.after(handedThrough);
      let [end, size] = [start, 0];
      while (end < log.events.length && (end === start || size + log.events[end]!.text.length + 1 < options.maxBodyBytes))
        size += log.events[end++]!.text.length + 1;
      const taken = log.events.slice(start, end);
      const [first, last] = [taken[0]!, taken.at(-1)!];
      handedThrough = last.sequence;
      return {
        firstSequence: first.sequence,
        lastSequence: last.sequence,
        readings: taken.reduce((sum, event) => sum + event.readings, 0),
        fromMs: first.fromMs,
        body: Buffer.from(taken.length === 1 ? first.text : `[${taken.map((event) => event.text).join(',')}]`),
        events: taken.length,
        encoding: 'utf-8',
      };
    },
    acknowledge(batch, mark) {
      lastMark = mark ?? lastMark;
      for (const event of finish(batch.lastSequence)) acked += event.readings;
      log.moved();
    },
    rewind() {
      handedThrough = at.position;
    },
    reject(batch, _reason, part) {
      lastMark = part?.mark ?? lastMark;
      let left = part?.readings ?? batch.readings;
      for (const event of finish(batch.lastSequence)) {
        const gone = Math.min(left, event.readings);
        left -= gone;
        dropped += gone;
        acked += event.readings - gone;
        if (required) log.lose(event, gone);
      }
      log.moved();
    },
    get mark() {
      return lastMark;
    },
    counters(): CursorCounters {
      return {
        queued: log.queued,
        acked,
        dropped,
        pending: log.queued - acked - dropped,
        droppedBy: dropped > 0 ? { rejected: dropped } : {},
        position: at.position,
        oldestMs: log.events[log.after(at.position)]?.fromMs,
      };
    },
  };
}
