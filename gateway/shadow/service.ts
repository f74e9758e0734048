import type { Adapter, Log } from '../../adapters/contract.ts';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import { compileMapping } from '../../mappings/load.ts';
import { diagnosticsOf } from '../configuration/diagnostics.ts';
import type { ConfigurationService } from '../configuration/service.ts';
import type { Authorship } from '../configuration/store.ts';
import { MethodRefusal } from '../methods/methods.ts';
import { LiveRun } from './live-run.ts';
import { planShadow, type ShadowPlan } from './plan.ts';
import { type ShadowRecord, ShadowRecords } from './record.ts';
import { reportOf, type ShadowReport, shortened } from './report.ts';
import { roughly, type ShadowRule } from './rule.ts';
import type { ShadowTap } from './tap.ts';

export interface ShadowParts {
  /** `data/shadow`. */
  readonly folder: string;
  readonly adapters: readonly Adapter[];
  readonly configuration: ConfigurationService;
  readonly log: Log;
  /** A run began, ended or is a while on: for the twin. */
  readonly onChange?: () => void;
}

/** The running gateway. */
export interface ShadowHost {
  readonly equipment: readonly CompiledEquipment[];
  shadow(equipment: string, tap: ShadowTap | undefined): boolean;
}

export interface ShadowStart {
  readonly file: string;
  readonly text: string;
  readonly rule: ShadowRule;
  readonly note?: string;
}

const mostRuns = 8;
/** A save of 2000 points takes some 10 ms of the main thread: larger runs are saved less often, so that it stays below a part in a thousand. */
const saveEveryMs = 30_000;
const pointsOfThat = 2_000;

/** All shadow runs of a gateway. They survive its restarts; nothing of a candidate leaves before it is promoted. */
export class ShadowService implements AsyncDisposable {
  readonly #parts: ShadowParts;
  readonly #records: ShadowRecords;
  readonly #known: Map<number, ShadowRecord>;
  readonly #live = new Map<number, LiveRun>();
  readonly #tickMs: number;
  #host: ShadowHost | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #savedMono = performance.now();
  #saving: Promise<void> = Promise.resolve();

  private constructor(parts: ShadowParts, records: ShadowRecords, known: readonly ShadowRecord[], tickMs: number) {
    this.#parts = parts;
    this.#records = records;
    this.#known = new Map(known.map((record) => [record.id, record]));
    this.#tickMs = tickMs;
  }

  static async open(parts: ShadowParts, tickMs = 1_000): Promise<ShadowService> {
    const records = new ShadowRecords(parts.folder);
    return new ShadowService(parts, records, await records.load(), tickMs);
  }

  /** The gateway runs: what was under way goes on, where its machines still run the same mapping. */
  attach(host: ShadowHost): void {
    this.#host = host;
    for (const record of [...this.#known.values()]) if (record.state === 'running') this.#resume(record);
    this.#ticker = setInterval(() => this.#tick(), this.#tickMs).unref();
  }

  /** Begins to compare. Throws a MethodRefusal: with diagnostics where the candidate has errors, or because it cannot run beside. */
  start(wanted: ShadowStart, by: Authorship): ShadowReport {
    const host = this.#running();
    if (this.#live.size >= mostRuns) throw new MethodRefusal(409, 'shadow-many', `${mostRuns} shadow runs are under way already`);
    const plans = this.#plans(host, wanted.file, wanted.text);
    for (const { running } of plans) {
      const other = [...this.#live.values()].find(({ record }) => running.id in record.machines);
      if (other) throw new MethodRefusal(409, 'shadow-twice', `${running.id} is compared already, in shadow run ${other.record.id}`);
    }
    const record: ShadowRecord = {
      id: Math.max(0, ...this.#known.keys()) + 1,
      file: this.#targetFile(host, wanted.file, plans),
      text: wanted.text,
      ...(wanted.note !== undefined && { note: wanted.note }),
      who: by.who,
      from: by.from,
      startedMs: Date.now(),
      state: 'running',
      elapsedMs: 0,
      observedMs: 0,
      interruptions: 0,
      rule: wanted.rule,
      machines: Object.fromEntries(plans.map(({ running }) => [running.id, { baseHash: running.hash, statistics: {} }])),
    };
    const run = this.#begin(host, record, plans);
    this.#parts.log.info({ shadow: record.id, equipment: Object.keys(record.machines), file: record.file }, 'a shadow run began');
    this.#save(run.record);
    return run.report();
  }

  /** Newest first. */
  reports(mostPoints?: number): ShadowReport[] {
    return [...this.#known.keys()].toSorted((a, b) => b - a).map((id) => this.report(id, mostPoints));
  }

  /** Of one; left out: of the one that is under way, or else the newest. Throws a MethodRefusal when there is none. */
  report(id?: number, mostPoints?: number): ShadowReport {
    const record = this.#find(id);
    const live = this.#live.get(record.id);
    if (live) return live.report(mostPoints);
    return record.result === undefined ? reportOf(record, [], undefined, 0) : shortened(record.result as ShadowReport, mostPoints);
  }

  /** Puts the candidate in force. Throws a MethodRefusal when that cannot be. */
  async promote(id: number | undefined, by: Authorship): Promise<ShadowReport> {
    const record = this.#find(id);
    if (record.state !== 'running' && record.state !== 'finished') {
      throw new MethodRefusal(409, 'shadow-over', `shadow run ${record.id} is ${record.state} and cannot be promoted`, {
        hint: 'start it again; what it was compared with may be another mapping by now',
      });
    }
    const host = this.#running();
    for (const [equipment, { baseHash }] of Object.entries(record.machines)) {
      if (host.equipment.find((one) => one.id === equipment)?.hash !== baseHash) {
        throw new MethodRefusal(409, 'shadow-base', `the mapping of ${equipment} was changed since it was compared`, {
          hint: 'start it again',
        });
      }
    }
    this.#refuseStale(host, record);
    const live = this.#live.get(record.id);
    // The reload would end it: from here on it is ours to end.
    live?.stop();
    const change = { files: new Map([[record.file, record.text]]) };
    const outcome = await this.#parts.configuration.apply(change, { ...by, note: by.note ?? `shadow run ${record.id}` });
    if (outcome.state === 'refused') {
      this.#end(record, 'failed', `it could not be put in force: ${outcome.reason}`);
      throw new MethodRefusal(409, 'config-refused', outcome.reason, {
        details: diagnosticsOf(outcome.problems, this.#parts.configuration.base),
      });
    }
    if (outcome.snapshot) record.snapshot = outcome.snapshot.number;
    this.#end(record, 'promoted', by.note ?? `by ${by.who}`);
    return this.report(record.id);
  }

  /** Its file holds more machines than those compared: what happened to them since must not be undone by the way. */
  #refuseStale(host: ShadowHost, record: ShadowRecord): void {
    const plans = this.#plans(host, record.file, record.text);
    const other = plans.find(({ running }) => !(running.id in record.machines));
    if (other || this.#targetFile(host, record.file, plans) !== record.file) {
      const what = other ? `the mapping of ${other.running.id}, which stands in the same file,` : 'where its machines come from';
      throw new MethodRefusal(409, 'shadow-base', `${what} was changed since the run began`, {
        hint: 'start it again, with the file as it is now',
      });
    }
  }

  /** Ends it; the mapping that runs goes on running. */
  drop(id: number | undefined, by: Authorship): ShadowReport {
    const record = this.#find(id);
    if (record.state !== 'running' && record.state !== 'finished')
      throw new MethodRefusal(409, 'shadow-over', `shadow run ${record.id} is ${record.state} already`);
    this.#end(record, 'dropped', by.note ?? `by ${by.who}`);
    return this.report(record.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#ticker);
    for (const run of this.#live.values()) {
      run.stop();
      this.#save(run.record);
    }
    await this.#saving;
  }

  #running(): ShadowHost {
    if (!this.#host) throw new MethodRefusal(503, 'gateway-starting', 'the gateway is not running yet');
    return this.#host;
  }

  #find(id: number | undefined): ShadowRecord {
    const wanted = id ?? [...this.#live.keys()].at(-1) ?? Math.max(0, ...this.#known.keys());
    const record = this.#known.get(wanted);
    if (record) return record;
    throw new MethodRefusal(404, 'shadow-unknown', id === undefined ? 'there is no shadow run' : `there is no shadow run ${id}`);
  }

  /** What the candidate means for each machine of its file that it changes. */
  #plans(host: ShadowHost, file: string, text: string): ShadowPlan[] {
    const { equipment, problems } = compileMapping(file, text, this.#parts.adapters);
    if (problems.some(({ severity }) => severity === 'error')) {
      const details = diagnosticsOf(problems, this.#parts.configuration.base);
      throw new MethodRefusal(409, 'config-refused', 'the candidate has errors', { details });
    }
    const plans = equipment.flatMap((candidate) => {
      const running = host.equipment.find(({ id }) => id === candidate.id);
      if (!running) {
        const hint = 'a shadow runs beside a machine that runs; a new machine is added with config.apply';
        throw new MethodRefusal(409, 'shadow-machine', `there is no machine ${candidate.id}`, { hint });
      }
      if (running.hash === candidate.hash) return [];
      const adapter = this.#parts.adapters.find(({ name }) => name === running.adapter);
      return [planShadow(running, candidate, adapter?.takes && ((address) => adapter.takes!(address)))];
    });
    if (plans.length === 0) throw new MethodRefusal(409, 'shadow-same', 'the candidate changes nothing: there is nothing to compare');
    return plans;
  }

  /** A candidate takes the place of the remote file that its machines come from; machines that are only there would be lost. */
  #targetFile(host: ShadowHost, file: string, plans: readonly ShadowPlan[]): string {
    const { configuration } = this.#parts;
    const names = new Set(plans.flatMap(({ running }) => configuration.remoteName(running.file) ?? []));
    if (names.size > 1) {
      throw new MethodRefusal(409, 'shadow-files', `its machines come from several files: ${[...names].join(', ')}`, {
        hint: 'compare them one by one',
      });
    }
    const [target = file] = names;
    const compared = new Set(plans.map(({ running }) => running.id));
    const lost = host.equipment.filter(
      (one) => configuration.remoteName(one.file) === target && !compared.has(one.id) && !this.#mentions(plans, one.id),
    );
    if (lost.length === 0) return target;
    const hint = `add ${lost.map(({ id }) => id).join(', ')} to the candidate`;
    throw new MethodRefusal(409, 'shadow-files', `promoted, it would take the place of ${target}, which has more machines`, { hint });
  }

  #mentions(plans: readonly ShadowPlan[], id: string): boolean {
    return plans.some(({ candidate }) => candidate.id === id);
  }

  #begin(host: ShadowHost, record: ShadowRecord, plans: readonly ShadowPlan[]): LiveRun {
    const run = new LiveRun(record, plans, (equipment, reason) => this.#end(record, 'failed', `${equipment}: ${reason}`));
    this.#known.set(record.id, record);
    this.#live.set(record.id, run);
    for (const machine of run.machines) host.shadow(machine.plan.running.id, machine);
    this.#parts.onChange?.();
    return run;
  }

  #resume(record: ShadowRecord): void {
    const host = this.#running();
    record.interruptions++;
    try {
      const changed = Object.entries(record.machines).find(
        ([id, { baseHash }]) => host.equipment.find((one) => one.id === id)?.hash !== baseHash,
      );
      if (changed) this.#end(record, 'failed', `the mapping of ${changed[0]} was changed while the gateway did not run`);
      else {
        this.#begin(host, record, this.#plans(host, record.file, record.text));
        this.#save(record);
        this.#parts.log.info({ shadow: record.id, observed: roughly(record.observedMs) }, 'a shadow run goes on');
      }
    } catch (error) {
      this.#end(record, 'failed', `it could not go on after a restart: ${(error as Error).message}`);
    }
  }

  #tick(): void {
    const now = performance.now();
    for (const run of [...this.#live.values()]) {
      const verdict = run.tick(now);
      if (verdict === 'promote') void this.#promoteByRule(run);
      else if (verdict) this.#end(run.record, verdict.state, verdict.reason);
    }
    const points = [...this.#live.values()].reduce(
      (sum, { machines }) => sum + machines.reduce((all, { comparisons }) => all + comparisons.length, 0),
      0,
    );
    if (now - this.#savedMono < saveEveryMs * Math.max(1, points / pointsOfThat)) return;
    this.#savedMono = now;
    for (const run of this.#live.values()) this.#save(run.record);
    if (this.#live.size > 0) this.#parts.onChange?.();
  }

  async #promoteByRule({ record }: LiveRun): Promise<void> {
    try {
      await this.promote(record.id, { who: 'rule', from: 'shadow run' });
    } catch (error) {
      if (record.state === 'running') this.#end(record, 'failed', `it could not be put in force: ${(error as Error).message}`);
    }
  }

  #end(record: ShadowRecord, state: ShadowRecord['state'], reason: string): void {
    const live = this.#live.get(record.id);
    live?.stop();
    this.#live.delete(record.id);
    record.state = state;
    record.reason = reason;
    record.endedMs = Date.now();
    record.result = live
      ? live.report()
      : { ...((record.result as ShadowReport | undefined) ?? reportOf(record, [], undefined, 0)), state, reason };
    if (record.snapshot !== undefined) record.result = { ...(record.result as ShadowReport), snapshot: record.snapshot };
    for (const machine of live?.machines ?? []) this.#host?.shadow(machine.plan.running.id, undefined);
    const fields = { shadow: record.id, state, reason };
    if (state === 'failed') this.#parts.log.warn(fields, 'a shadow run ended');
    else this.#parts.log.info(fields, 'a shadow run ended');
    this.#save(record);
    this.#parts.onChange?.();
  }

  #save(record: ShadowRecord): void {
    this.#live.get(record.id)?.collect();
    // Written down now, for it goes on changing. Of a run that is over the result says all.
    const machines = Object.entries(record.machines).map(([id, one]) => [
      id,
      record.state === 'running' ? one : { ...one, statistics: {} },
    ]);
    const text = JSON.stringify({ ...record, machines: Object.fromEntries(machines) });
    this.#saving = this.#saving
      .then(() => this.#records.save(record.id, text))
      .catch((error: unknown) =>
        this.#parts.log.warn({ shadow: record.id, reason: (error as Error).message }, 'a shadow run could not be kept on disk'),
      );
  }
}
