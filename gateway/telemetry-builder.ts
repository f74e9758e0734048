import type { EventOrigin, TelemetryEnvelope } from './cloud-event.ts';
import { telemetryEnvelope, telemetryEvent } from './cloud-event.ts';
import type { OutboxEvent } from './outbox/contract.ts';

/** CloudEvents up to 64 KiB are portable; the envelope takes the rest. */
const maxReadingsChars = 60_000;
/** So much text is made one piece of memory at a time, while its parts are still in the processor's cache. */
const runChars = 4_096;

/** Where finished events go. Resolves when durable; a refusal is already in the outbox's accounts. */
export interface EventSink {
  append(event: OutboxEvent): Promise<void>;
}

/** Collects the readings of one machine into events. */
export class TelemetryBuilder {
  readonly #envelope: TelemetryEnvelope;
  readonly #sink: EventSink;
  readonly #onRefused: (error: unknown) => void;
  #text = '';
  /** The newest readings, not yet in `#text`. */
  #run = '';
  #count = 0;
  #fromMs = 0;
  #toMs = 0;
  #sinceMono = 0;
  #flushed = false;
  #acknowledge: (() => void)[] = [];

  constructor(origin: EventOrigin, equipment: string, path: string, sink: EventSink, onRefused: (error: unknown) => void) {
    this.#envelope = telemetryEnvelope(origin, equipment, path);
    this.#sink = sink;
    this.#onRefused = onRefused;
  }

  /** Readings collected and not yet given to the outbox. */
  get pending(): number {
    return this.#count;
  }

  /** Flushes when the oldest collected reading has waited `lingerMs`; the very first ones wait for nobody. `nowMono` is of performance.now(). */
  flushIfDue(nowMono: number, lingerMs: number): void {
    if (this.#count > 0 && (!this.#flushed || nowMono - this.#sinceMono >= lingerMs)) this.flush();
  }

  add(readingText: string, receivedMs: number): void {
    if (this.#count === 0) {
      this.#run = readingText;
      this.#fromMs = receivedMs;
      this.#toMs = receivedMs;
      this.#sinceMono = performance.now();
    } else {
      this.#run += `,${readingText}`;
      if (receivedMs > this.#toMs) this.#toMs = receivedMs;
    }
    this.#count++;
    if (this.#run.length < runChars) return;
    this.#fold();
    if (this.#text.length >= maxReadingsChars) this.flush();
  }

  #fold(): void {
    // A string that grew by + is a tree of its parts until somebody needs its characters; asking for a number makes it flat.
    Number(this.#run);
    this.#text += this.#run;
    this.#run = '';
  }

  /** Calls back once everything added so far is durable; at once when nothing waits. */
  whenDurable(acknowledge: () => void): void {
    if (this.#count === 0 && this.#acknowledge.length === 0) acknowledge();
    else this.#acknowledge.push(acknowledge);
  }

  /** Gives what was collected to the outbox. */
  flush(): void {
    if (this.#count === 0) return;
    this.#flushed = true;
    this.#fold();
    const envelope = this.#envelope;
    const readings = this.#text;
    const toMs = this.#toMs;
    const acknowledge = this.#acknowledge;
    const event: OutboxEvent = {
      encode: (sequence) => telemetryEvent(envelope, sequence, toMs, readings),
      readings: this.#count,
      fromMs: this.#fromMs,
      toMs,
    };
    this.#text = '';
    this.#count = 0;
    this.#acknowledge = [];
    this.#sink.append(event).then(() => {
      for (const done of acknowledge) done();
    }, this.#onRefused);
  }
}
