import type { CompiledMessage } from '../mappings/equipment.ts';
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

/** What an event is about. */
export interface EventSubject {
  readonly equipment: string;
  /** ISA-95, may be empty. */
  readonly path: string;
  /** Of the mapping; absent for readings that no message names. */
  readonly message?: CompiledMessage;
}

/** Sees events as they go into the outbox: modules that routes bring readings to. */
export interface EventTap {
  /** Asked for each event; what nobody wants costs no more than this. */
  wants(equipment: string): boolean;
  /** `text` is the CloudEvent as it leaves. Must not throw, and not wait. */
  take(about: EventSubject, text: string): void;
}

/** Where to call back once a batch is on disk, or why it is not. */
export interface Settlement {
  readonly acknowledge: () => void;
  readonly refuse: ((reason: string) => void) | undefined;
}

/** Collects the readings of one message of one machine into events. */
export class TelemetryBuilder {
  readonly #about: EventSubject;
  readonly #envelope: TelemetryEnvelope;
  readonly #tap: (() => EventTap | undefined) | undefined;
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
  #waiting: Settlement[] = [];
  /** The last event given to the outbox, while it is on its way to the disk. */
  #underWay: { readonly waiting: Settlement[] } | undefined;
  /** Readings came since the last `touchedSince`. */
  #touched = false;
  readonly #everyMs: number | undefined;

  constructor(
    origin: EventOrigin,
    about: EventSubject,
    sink: EventSink,
    onRefused: (error: unknown) => void,
    tap?: () => EventTap | undefined,
  ) {
    this.#about = about;
    this.#tap = tap;
    this.#envelope = telemetryEnvelope(origin, about.equipment, about.path, about.message);
    this.#everyMs = about.message?.everyMs;
    this.#sink = sink;
    this.#onRefused = onRefused;
  }

  /** Readings collected and not yet given to the outbox. */
  get pending(): number {
    return this.#count;
  }

  /**
   * Flushes when the oldest collected reading has waited `lingerMs`, or the `every` of its message; the very first ones wait for nobody,
   * and nobody lets a machine wait that keeps its deliveries until they are on disk. `nowMono` is of performance.now().
   */
  flushIfDue(nowMono: number, lingerMs: number): void {
    if (this.#count === 0) return;
    const patienceMs = this.#everyMs ?? lingerMs;
    if (!this.#flushed || this.#waiting.length > 0 || nowMono - this.#sinceMono >= patienceMs) this.flush();
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
    this.#touched = true;
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

  /** Whether readings came since the last call. */
  touchedSince(): boolean {
    const touched = this.#touched;
    this.#touched = false;
    return touched;
  }

  /** Calls back when everything added so far is on disk; at once when it is already. */
  settle(settlement: Settlement): void {
    if (this.#count > 0) this.#waiting.push(settlement);
    else if (this.#underWay) this.#underWay.waiting.push(settlement);
    else settlement.acknowledge();
  }

  #seen(encode: OutboxEvent['encode']): OutboxEvent['encode'] {
    const tap = this.#tap?.();
    if (!tap?.wants(this.#about.equipment)) return encode;
    return (sequence) => {
      const text = encode(sequence);
      tap.take(this.#about, text);
      return text;
    };
  }

  /** Gives what was collected to the outbox. */
  flush(): void {
    if (this.#count === 0) return;
    this.#flushed = true;
    this.#fold();
    const envelope = this.#envelope;
    const readings = this.#text;
    const toMs = this.#toMs;
    const underWay = { waiting: this.#waiting };
    const encode = (sequence: number): string => telemetryEvent(envelope, sequence, toMs, readings);
    const event: OutboxEvent = {
      encode: this.#seen(encode),
      readings: this.#count,
      fromMs: this.#fromMs,
      toMs,
    };
    this.#text = '';
    this.#count = 0;
    this.#waiting = [];
    this.#underWay = underWay;
    const over = (): void => {
      if (this.#underWay === underWay) this.#underWay = undefined;
    };
    this.#sink.append(event).then(
      () => {
        over();
        for (const { acknowledge } of underWay.waiting) acknowledge();
      },
      (error: unknown) => {
        over();
        this.#onRefused(error);
        const reason = error instanceof Error ? error.message : String(error);
        for (const { refuse } of underWay.waiting) refuse?.(reason);
      },
    );
  }
}
