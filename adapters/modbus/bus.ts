import { formatDuration } from '../../mappings/duration.ts';
import { NotConnectedError } from '../../model/error.ts';
import type { SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import { Alarm } from './alarm.ts';
import type { BusCounters, BusRequest } from './bus-request.ts';
import { exceptionMeaning, exceptionState } from './faults.ts';
import { framerFor } from './framing/framer.ts';
import type { Framer, FrameSink } from './framing/framing.ts';
import { judge, readPdu } from './pdu.ts';
import { type ModbusSettings, wireName } from './settings.ts';
import { showSpan } from './types.ts';
import { UnitQueue } from './unit-queue.ts';
import { openWire, type Wire } from './wire.ts';

/** Time-outs in a row after which a TCP link is taken for dead, when no unit of it answers; and in any case. */
const dropAfter = 3;
const dropAlways = 10;
/** A request that tries a parked unit has this much longer than its own time before the next one may. */
const probeGraceMs = 1_000;
/** A timer that comes later than this comes out of a stall of the event loop. */
const stallMs = 10;
/** More unanswered transactions than this on one link: their ids could come round again. */
const maxAbandoned = 1_000;

interface InFlight {
  readonly request: BusRequest;
  readonly unit: UnitQueue;
  readonly transaction: number;
  /** Place in the order in which requests were sent. */
  readonly number: number;
  deadlineMs: number;
  strangeUnit: number;
}

/**
 * The one owner of a wire: every request to every machine on it passes here. Units take turns, each has its own queue;
 * answers are matched strictly, and one that is late, double, foreign or malformed is counted and never becomes a value.
 */
export class Bus implements FrameSink {
  readonly name: string;
  readonly counters: BusCounters = {
    requests: 0,
    timeouts: 0,
    lateFrames: 0,
    foreignFrames: 0,
    malformedFrames: 0,
    garbageBytes: 0,
    exceptions: 0,
  };
  readonly #settings: ModbusSettings;
  readonly #framer: Framer;
  readonly #units = new Map<number, UnitQueue>();
  /** Units in the order of their turns. */
  readonly #turns: UnitQueue[] = [];
  #turn = 0;
  /** Writes may be waiting; looked for only then. */
  #urgent = false;
  #wire: Wire | undefined;
  #flights: InFlight[] = [];
  #transaction = Math.floor(Math.random() * 0x10000);
  /** Ids whose answer was not waited for; they are not used again on this link. */
  readonly #abandoned = new Set<number>();
  readonly #lossListeners = new Set<(error: NotConnectedError) => void>();
  #lost: NotConnectedError | undefined;
  #silences = 0;
  /** Requests up to this number say nothing new about the wire when they run out of time. */
  #judgedUpTo = 0;
  #restUntilMs = 0;
  /** Is left running when an answer comes, and finds out by itself that it is early. */
  readonly #deadline = new Alarm(() => this.#expire(performance.now()));
  readonly #wake = new Alarm(() => this.#wakeUp(performance.now()));

  constructor(settings: ModbusSettings) {
    this.#settings = settings;
    this.name = wireName(settings);
    this.#framer = framerFor(settings.framing);
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#wire = await openWire(
      this.#settings,
      { data: (chunk) => this.#received(chunk), closed: (why) => this.#lose(`${this.name}: ${why}`) },
      signal,
    );
    this.#restUntilMs = performance.now() + this.#settings.pauseAfterConnect;
  }

  /** Why the link is gone; undefined while it lives. */
  get lost(): NotConnectedError | undefined {
    return this.#lost;
  }

  onLost(listener: (error: NotConnectedError) => void): () => void {
    this.#lossListeners.add(listener);
    return () => this.#lossListeners.delete(listener);
  }

  /** Whether the wire keeps the process alive. */
  hold(alive: boolean): void {
    this.#wire?.hold(alive);
  }

  close(): void {
    this.#lost ??= new NotConnectedError('modbus-closed', `the connection to ${this.name} was closed`, { retry: 'with-backoff' });
    this.#end();
  }

  parkedUnits(): number {
    let parked = 0;
    for (const unit of this.#units.values()) if (unit.parked) parked++;
    return parked;
  }

  submit(request: BusRequest, first = false): void {
    if (this.#lost) return;
    let unit = this.#units.get(request.unitId);
    if (!unit) {
      unit = new UnitQueue(request.unitId);
      this.#units.set(request.unitId, unit);
      this.#turns.push(unit);
    }
    if (unit.parked && performance.now() < unit.probeAtMs) {
      request.failed({ kind: 'parked', state: unit.parked });
      return;
    }
    unit.add(request, first);
    if (request.pdu) this.#urgent = true;
    this.#pump();
  }

  #pump(): void {
    while (this.#wire && this.#flights.length < this.#settings.maxInFlight) {
      const now = performance.now();
      if (now < this.#restUntilMs) {
        this.#wake.at(this.#restUntilMs);
        return;
      }
      const unit = this.#nextUnit();
      if (!unit) return;
      const request = unit.take();
      if (!request) continue;
      if (unit.parked) {
        if (now < unit.probeAtMs) {
          request.failed({ kind: 'parked', state: unit.parked });
          continue;
        }
        // One request tries; what else waits for the unit is told that it is parked.
        unit.probeAtMs = now + request.timeoutMs + probeGraceMs;
      }
      this.#send(request, unit, now);
    }
  }

  /** Only here does a quiet time end, because an alarm rings after what had arrived was read; whoever else pumps may come straight out of a stall. */
  #wakeUp(now: number): void {
    for (const unit of this.#turns) {
      if (unit.quietUntilMs === 0 || now < unit.quietUntilMs) continue;
      // A serial port is read by another thread, which a stalled loop has not heard yet.
      const unheard = this.#settings.serial !== undefined && now - unit.quietUntilMs > stallMs;
      unit.quietUntilMs = unheard ? now + this.#silentIntervalMs() : 0;
    }
    this.#pump();
  }

  /** Writes first, then fair: the unit after the one that was served last. */
  #nextUnit(): UnitQueue | undefined {
    if (this.#urgent) {
      const unit = this.#turns.find((one) => one.urgent && one.quietUntilMs === 0);
      if (unit) return unit;
      this.#urgent = this.#turns.some((one) => one.urgent);
    }
    const size = this.#turns.length;
    for (let i = 1; i <= size; i++) {
      const turn = (this.#turn + i) % size;
      const unit = this.#turns[turn]!;
      if (unit.empty) continue;
      if (unit.quietUntilMs > 0) {
        this.#wake.at(unit.quietUntilMs);
        continue;
      }
      this.#turn = turn;
      return unit;
    }
    return undefined;
  }

  #send(request: BusRequest, unit: UnitQueue, now: number): void {
    const transaction = this.#nextTransaction();
    if (this.#settings.framing !== 'tcp') this.#countGarbage(this.#framer.reset());
    const number = ++this.counters.requests;
    this.#flights.push({ request, unit, transaction, number, deadlineMs: now + request.timeoutMs, strangeUnit: -1 });
    request.sent?.();
    const pdu = request.pdu ?? readPdu(request.functionCode, request.start, request.count);
    this.#wire?.write(this.#framer.encode(request.unitId, transaction, pdu));
    this.#watchDeadline();
  }

  #nextTransaction(): number {
    do this.#transaction = (this.#transaction + 1) & 0xffff;
    while (this.#abandoned.has(this.#transaction));
    return this.#transaction;
  }

  #watchDeadline(): void {
    if (this.#flights.length === 0) return;
    let earliest = Number.POSITIVE_INFINITY;
    for (const flight of this.#flights) earliest = Math.min(earliest, flight.deadlineMs);
    this.#deadline.at(earliest);
  }

  #expire(now: number): void {
    if (this.#settings.serial) {
      for (const flight of this.#flights) if (now - flight.deadlineMs > stallMs) flight.deadlineMs = now + this.#silentIntervalMs();
    }
    const due = this.#flights.filter((flight) => flight.deadlineMs <= now);
    if (due.length > 0) {
      this.#flights = this.#flights.filter((flight) => flight.deadlineMs > now);
      this.#timedOut(due, now);
    }
    this.#watchDeadline();
    if (due.length > 0) this.#pump();
  }

  /**
   * Only a request sent after the last answer, or after the last silence that was counted, makes another silence: of several in
   * flight one may be late while others are answered, and all of them together are one.
   */
  #timedOut(flights: readonly InFlight[], now: number): void {
    const sent = this.counters.requests;
    if (flights.some(({ number }) => number > this.#judgedUpTo)) {
      this.#silences++;
      this.#judgedUpTo = sent;
    }
    for (const { request, unit, number, strangeUnit } of flights) {
      if (number <= unit.judgedUpTo) continue;
      unit.judgedUpTo = sent;
      if (this.#settings.framing !== 'tcp') unit.quietUntilMs = now + request.timeoutMs;
      unit.fellSilent(this.#silence(request, strangeUnit), now, this.#units.size === 1);
    }
    if (this.#settings.framing !== 'tcp') {
      this.#countGarbage(this.#framer.reset());
      this.#restUntilMs = Math.max(this.#restUntilMs, now + this.#silentIntervalMs());
    }
    let state: SampleState | undefined;
    for (const { request, transaction, strangeUnit } of flights) {
      this.counters.timeouts++;
      if (this.#settings.framing === 'tcp') this.#abandoned.add(transaction);
      state = this.#silence(request, strangeUnit);
      request.failed({ kind: 'timeout', state });
    }
    if (this.#isDead()) this.#lose(`${this.name} does not answer any more: ${state?.reason}`);
  }

  #silence(request: BusRequest, strangeUnit: number): SampleState {
    const who = `unit ${request.unitId} at ${this.name}`;
    const within = formatDuration(request.timeoutMs);
    const strange = strangeUnit < 0 ? '' : `; answers came with unit id ${strangeUnit}, set unitIdCheck: ignore if the machine does so`;
    return { status: statuses.BadTimeout, reason: `no answer from ${who} within ${within}${strange}` };
  }

  /** At least 3.5 characters of 11 bits, and never less than the adapters and the event loop need. */
  #silentIntervalMs(): number {
    const baud = this.#settings.serial?.baudRate ?? 115_200;
    return Math.max(20, (3.5 * 11 * 1000) / baud);
  }

  /** Only TCP: a serial line has no link to lose. */
  #isDead(): boolean {
    if (this.#settings.serial) return false;
    if (this.#silences >= dropAlways || this.#abandoned.size > maxAbandoned) return true;
    if (this.#silences < dropAfter) return false;
    for (const unit of this.#units.values()) if (unit.alive || (unit.timeouts === 0 && !unit.empty)) return false;
    return true;
  }

  #received(chunk: Uint8Array): void {
    this.#framer.push(chunk, this.#flights[0]?.request, this);
    this.#pump();
  }

  frame(unitId: number, transaction: number, bytes: Uint8Array, start: number, end: number): void {
    const index = transaction < 0 ? this.#flights.length - 1 : this.#flights.findIndex((flight) => flight.transaction === transaction);
    const flight = this.#flights[index];
    if (!flight) {
      this.#uninvited(unitId, transaction);
      return;
    }
    const { request } = flight;
    if (unitId !== request.unitId && this.#settings.unitIdCheck === 'strict') {
      if (transaction >= 0) flight.strangeUnit = unitId;
      this.counters.foreignFrames++;
      return;
    }
    const verdict = judge(request, bytes, start, end);
    if (verdict === 'foreign' || (verdict === 'malformed' && transaction < 0)) {
      // Without a transaction id a frame of another length is more likely somebody else's than ours.
      this.counters[verdict === 'foreign' ? 'foreignFrames' : 'malformedFrames']++;
      return;
    }
    if (this.#flights.length === 1) this.#flights.length = 0;
    else this.#flights.splice(index, 1);
    if (this.#settings.pauseBetweenRequests > 0) this.#restUntilMs = performance.now() + this.#settings.pauseBetweenRequests;
    else if (this.#settings.serial) this.#restUntilMs = performance.now() + (3.5 * 11 * 1000) / this.#settings.serial.baudRate;
    this.#deliver(flight, verdict, bytes, start);
  }

  #deliver({ request, unit }: InFlight, verdict: 'data' | 'exception' | 'malformed', bytes: Uint8Array, start: number): void {
    this.#silences = 0;
    this.#judgedUpTo = this.counters.requests;
    if (verdict === 'data') {
      unit.answered(this.counters.requests);
      request.answered(bytes, start + 2);
      return;
    }
    if (verdict === 'malformed') {
      this.counters.malformedFrames++;
      const reason = `unit ${request.unitId} at ${this.name} gave a malformed answer for ${showSpan(request.table, request.start, request.count)}`;
      request.failed({ kind: 'malformed', state: { status: statuses.BadCommunicationError, reason } });
      return;
    }
    this.counters.exceptions++;
    const code = bytes[start + 1]!;
    const state = exceptionState(code, `unit ${request.unitId} at ${this.name}`, showSpan(request.table, request.start, request.count));
    if (exceptionMeaning(code).means === 'path') unit.fellSilent(state, performance.now(), this.#units.size === 1);
    else unit.answered(this.counters.requests);
    request.failed({ kind: 'exception', code, state });
  }

  #uninvited(unitId: number, transaction: number): void {
    if (transaction >= 0) {
      if (this.#abandoned.delete(transaction)) this.counters.lateFrames++;
      else this.counters.foreignFrames++;
      return;
    }
    const unit = this.#units.get(unitId);
    const now = performance.now();
    if (unit && unit.quietUntilMs > 0) {
      // What it owed us has come; the line is clean again after the usual silence.
      this.counters.lateFrames++;
      unit.quietUntilMs = now + this.#silentIntervalMs();
      this.#wake.at(unit.quietUntilMs);
    } else this.counters.foreignFrames++;
  }

  garbage(bytes: number): void {
    this.#countGarbage(bytes);
  }

  #countGarbage(bytes: number): void {
    if (bytes === 0) return;
    this.counters.garbageBytes += bytes;
    this.counters.malformedFrames++;
  }

  broken(reason: string): void {
    this.counters.malformedFrames++;
    this.#lose(
      `${this.name} sends something that is not Modbus TCP (${reason})`,
      'Is this the right port? A transparent serial server needs framing: rtu-over-tcp',
    );
  }

  #lose(message: string, hint = 'Is the machine on and the network in order? The gateway keeps trying'): void {
    if (this.#lost) return;
    this.#lost = new NotConnectedError('modbus-link-lost', message, { retry: 'with-backoff', hint });
    this.#end();
    for (const listener of [...this.#lossListeners]) listener(this.#lost);
  }

  #end(): void {
    this.#deadline.clear();
    this.#wake.clear();
    this.#flights = [];
    this.#wire?.destroy();
    this.#wire = undefined;
  }
}
