import type { Value } from '../../model/value.ts';
import type { AuditRecord } from '../audit/entry.ts';
import { type Clock, systemClock } from '../pipeline.ts';
import type { Guard, WriteReport, WriteRequest, WriteTargets } from './contract.ts';
import { SendHistory } from './history.ts';
import { type Job, jobOf, knownOf, refused } from './job.ts';
import { type Known, WriteJournal } from './journal.ts';
import { MachineQueue } from './machine-queue.ts';
import { MasterSwitch, type WritesOff } from './master-switch.ts';
import { readBack } from './read-back.ts';
import { Sender } from './sender.ts';
import { interlockGuard, rateGuard, stepGuard } from './state-guards.ts';
import { type Admitted, admit, isRefusal, malformed, type Refusal, sameRequest } from './static-guards.ts';

/** After an interrupted write: how often and how long its machine is asked what is there. */
const settleEveryMs = 1_000;

/** Where every attempt is written down; rejects when it cannot be. */
export interface AuditSink {
  append(record: AuditRecord): Promise<unknown>;
}

export interface WritePathOptions {
  /** Absolute path of the data folder; keeps `control/` and `writes-off` in it. */
  readonly data: string;
  readonly writes?: 'on' | 'off';
  readonly targets: WriteTargets;
  readonly audit: AuditSink;
  readonly clock?: Clock;
}

/**
 * The one way to write to a machine, for desired properties, methods, rules, shims and commands. Every guard must let a write pass; the intent is on
 * disk before anything is sent; each attempt is audited. Nothing is done late, nothing twice, and a write without an answer is never repeated.
 */
export class WritePath implements AsyncDisposable {
  readonly switch: MasterSwitch;
  readonly #targets: WriteTargets;
  readonly #audit: AuditSink;
  readonly #journal: WriteJournal;
  readonly #clock: Clock;
  readonly #history = new SendHistory();
  readonly #sender: Sender;
  readonly #queues = new Map<string, MachineQueue>();
  readonly #running = new Map<string, { readonly request: WriteRequest; readonly report: Promise<WriteReport> }>();
  readonly #stop = new AbortController();
  #auditFailed: string | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: WritePathOptions, journal: WriteJournal, clock: Clock) {
    this.switch = new MasterSwitch(`${options.data}/writes-off`, options.writes);
    this.#targets = options.targets;
    this.#audit = options.audit;
    this.#journal = journal;
    this.#clock = clock;
    this.#sender = new Sender(this.#history, clock, this.#stop.signal);
    for (const known of journal.all()) if (leftTheGateway(known)) this.#remember(known);
  }

  /** Rejects when another process uses the data folder. */
  static async open(options: WritePathOptions): Promise<WritePath> {
    const clock = options.clock ?? systemClock;
    return new WritePath(options, await WriteJournal.open(`${options.data}/control`, () => clock.wallMs()), clock);
  }

  /** Never rejects. The same key gives the same report, `repeated`; asked again while it runs, it waits for that one. */
  async write(request: WriteRequest): Promise<WriteReport> {
    const wrong = malformed(request);
    if (wrong !== undefined) return this.#refuse(request, { guard: 'request', reason: wrong });
    if (request.dryRun) return this.#dryRun(request);
    const running = this.#running.get(request.key);
    if (running) {
      if (!sameRequest(running.request, request)) return this.#refuse(request, otherKey(request.key));
      return { ...(await running.report), repeated: true };
    }
    const known = this.#journal.get(request.key);
    if (known) return sameRequest(known, request) ? { ...reportOf(known), repeated: true } : this.#refuse(request, otherKey(request.key));
    const report = this.#start(request);
    this.#running.set(request.key, { request, report });
    try {
      return await report;
    } finally {
      this.#running.delete(request.key);
    }
  }

  /** Switches all writing; on disk and audited when it resolves. Rejects with GatewayError as the switch does. */
  async switchWrites(writes: 'on' | 'off', who: string, from: string, why?: string): Promise<void> {
    const old = this.switch.off() ? 'off' : 'on';
    const record = { kind: 'writes', action: `writes ${writes}`, who, from, target: 'all machines', old, new: writes } as const;
    try {
      await this.switch.set(writes, who, why);
    } catch (error) {
      await this.#note({ ...record, outcome: 'failed', reason: (error as Error).message });
      throw error;
    }
    await this.#note({ ...record, outcome: 'done', ...(why && { reason: why }) });
  }

  /** Writes that an earlier run sent without living to see the answer. */
  unsettled(): readonly Known[] {
    return [...this.#journal.all()].filter(({ sent, report, key }) => sent && !report && !this.#running.has(key));
  }

  /** Reads what became of those, each once its machine is there, until the signal aborts. Their outcome stays unknown; they are audited. Never rejects. */
  async settle(signal: AbortSignal, onSettled?: (known: Known, report: WriteReport) => void): Promise<void> {
    const end = AbortSignal.any([signal, this.#stop.signal]);
    for (let left = this.unsettled(); left.length > 0 && !end.aborted; left = this.unsettled()) {
      for (const known of left) {
        const target = this.#targets.find(known.equipment);
        const point = target?.points.find(({ name }) => name === known.point);
        const shows = target && point ? await readBack(target, point, known.value, 'unknown', end) : undefined;
        if (end.aborted || (shows && shows.value === undefined)) continue;
        const report: WriteReport = {
          outcome: 'unknown',
          reason: shows ? `${interrupted}; the machine shows ${shows.value} now` : `${interrupted}, and the point is not there any more`,
          new: known.value,
          ...(shows?.value !== undefined && { readBack: shows.value }),
        };
        this.#journal.outcome(known, report);
        await this.#noteWrite(known, report);
        onSettled?.(known, report);
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, settleEveryMs);
      end.addEventListener('abort', () => resolve(), { once: true });
      if (this.unsettled().length > 0) await promise;
      clearTimeout(timer);
    }
  }

  async #start(request: WriteRequest): Promise<WriteReport> {
    const job = jobOf(request, this.#targets, this.#clock);
    const refusal = this.#early(request);
    const waiting = refusal
      ? undefined
      : this.#queue(request.equipment).add(request.priority ?? (request.from === 'rule' ? 'urgent' : 'normal'), () => this.#attempt(job));
    const report = waiting
      ? await waiting.catch((error: unknown) => this.#afterDefect(request, error))
      : refused(refusal ?? { guard: 'queue', reason: `too many writes wait for ${request.equipment} already` }, request.value);
    const known = this.#journal.get(request.key) ?? { ...knownOf(job), sent: false };
    this.#journal.outcome(known, report);
    await this.#noteWrite(request, report);
    return report;
  }

  /** Whoever asked gets an answer; whether something was sent is known by the journal. */
  #afterDefect({ key, value }: WriteRequest, error: unknown): WriteReport {
    const reason = `a defect in the gateway: ${error instanceof Error ? error.message : String(error)}`;
    return { outcome: this.#journal.get(key) ? 'unknown' : 'failed', reason, new: value };
  }

  #queue(equipment: string): MachineQueue {
    let queue = this.#queues.get(equipment);
    if (!queue) {
      queue = new MachineQueue();
      this.#queues.set(equipment, queue);
    }
    return queue;
  }

  #remember({ equipment, point, value, atMs }: Known): void {
    this.#history.seed(equipment, point, atMs, value, this.#clock.wallMs(), this.#clock.monotonicMs());
  }

  /** What can be said at once. */
  #early(request: WriteRequest): Refusal | undefined {
    if (this.#stop.signal.aborted) return { guard: 'shutdown', reason: 'the gateway is stopping' };
    const off: WritesOff | undefined = this.switch.off();
    if (off) return { guard: 'writes-off', reason: off.reason };
    const admitted = admit(request, this.#targets);
    return isRefusal(admitted) ? admitted : undefined;
  }

  /** Every guard, against the machine as it is now. */
  #pass(job: Job): Admitted | Refusal {
    const { request } = job;
    const early = this.#early(request);
    if (early) return early;
    const admitted = admit(request, this.#targets) as Admitted;
    const now = this.#clock.monotonicMs();
    const late = now - job.deadlineMono;
    if (late >= 0)
      return { guard: 'expired', reason: `it came too late, by ${Math.max(1, Math.round(late))} ms, and is not done any more` };
    const sent = this.#history.get(request.equipment, request.point);
    return rateGuard(admitted, sent, now) ?? stepGuard(admitted, request.value, sent, now) ?? interlockGuard(admitted) ?? admitted;
  }

  #dryRun(request: WriteRequest): WriteReport {
    const passed = this.#pass(jobOf(request, this.#targets, this.#clock));
    const old = this.#old(request);
    if (isRefusal(passed)) return { ...refused(passed, request.value), ...old, dryRun: true };
    return { outcome: 'done', reason: 'every guard lets it pass; nothing was sent', ...old, new: request.value, dryRun: true };
  }

  /** Its turn has come. */
  async #attempt(job: Job): Promise<WriteReport> {
    const { request } = job;
    const passed = this.#pass(job);
    const old = this.#old(request);
    if (isRefusal(passed)) return { ...refused(passed, request.value), ...old };
    if (this.#auditFailed !== undefined) {
      return {
        ...refused({ guard: 'audit', reason: `nothing is written that cannot be audited: ${this.#auditFailed}` }, request.value),
        ...old,
      };
    }
    try {
      await this.#journal.intent(knownOf(job));
    } catch (error) {
      return {
        ...refused({ guard: 'journal', reason: `the intent cannot be kept on disk: ${(error as Error).message}` }, request.value),
        ...old,
      };
    }
    return { ...(await this.#sender.send(job, passed, old.old)), ...old };
  }

  #old(request: WriteRequest): { readonly old?: Value } {
    const reading = this.#targets.find(request.equipment)?.reading(request.point);
    return reading?.quality === 'good' && reading.value !== undefined ? { old: reading.value } : {};
  }

  /** Refused before it counts as asked for: the key is not taken. */
  async #refuse(request: WriteRequest, refusal: Refusal): Promise<WriteReport> {
    const report = refused(refusal, request.value);
    await this.#noteWrite(request, report);
    return report;
  }

  async #noteWrite({ equipment, point, who, from, key }: Known | WriteRequest, report: WriteReport): Promise<void> {
    const { outcome, guard, reason, old, new: value, readBack: shows } = report;
    await this.#note({
      kind: 'write',
      action: 'write',
      who: String(who),
      from: String(from),
      target: `${equipment}/${point}`,
      ...(old !== undefined && { old }),
      new: value,
      outcome,
      reason,
      details: { request: String(key), ...(guard && { guard }), ...(shows !== undefined && { readBack: shows }) },
    });
  }

  /** What was done is told even if it could not be written down; from then on nothing more is done. */
  async #note(record: AuditRecord): Promise<void> {
    try {
      await this.#audit.append(record);
      this.#auditFailed = undefined;
    } catch (error) {
      this.#auditFailed = (error as Error).message;
    }
  }

  /** Refuses what comes and what waits, and lets what was sent have its answer: stop it before the machines' connections. Twice is once. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(Array.from(this.#running.values(), ({ report }) => report.catch(() => {})));
    await this.#journal[Symbol.asyncDispose]();
  }
}

const interrupted = 'the gateway was stopped before the answer came';

const neverLeft: readonly (Guard | undefined)[] = ['connection', 'expired', 'shutdown'];

function leftTheGateway({ sent, report }: Known): boolean {
  return sent && !neverLeft.includes(report?.guard);
}

const otherKey = (key: string): Refusal => ({ guard: 'key', reason: `the key ${key} was used for another write` });

function reportOf({ report, value }: Known): WriteReport {
  return report ?? { outcome: 'unknown', reason: interrupted, new: value };
}
