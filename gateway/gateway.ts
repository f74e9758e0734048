import { join } from 'node:path';
import type { Log } from '../adapters/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import { GatewayError } from '../model/error.ts';
import type { Problem } from '../model/problem.ts';
import { adapterNamed, installedAdapters } from './adapters.ts';
import { eventOrigin, gapEvent } from './cloud-event.ts';
import { type GatewayConfig, inConfigFolder } from './config.ts';
import { EquipmentRunner } from './equipment-runner.ts';
import { Forwarder } from './forwarder.ts';
import { type HubLink, openHubLink } from './hub-link.ts';
import { type LastGood, openLastGood } from './last-good.ts';
import { loadMappingSet, type MappingSet } from './mapping-set.ts';
import type { Outbox } from './outbox/contract.ts';
import { outboxIdentity } from './outbox-identity.ts';
import { pause } from './pause.ts';
import { isEmpty, planReload, type ReloadPlan } from './reload-plan.ts';
import { secretOpener } from './secrets.ts';

const tickMs = 50;
const machinesStopWithinMs = 700;

export interface ReloadResult {
  readonly plan: ReloadPlan;
  readonly problems: readonly Problem[];
  readonly fallbacks: readonly string[];
  /** False when nothing was to do. */
  readonly applied: boolean;
}

/** The running whole: machines, outbox, hub. */
export class Gateway implements AsyncDisposable {
  readonly config: GatewayConfig;
  readonly hub: HubLink;
  readonly #log: Log;
  readonly #outbox: Outbox;
  readonly #forwarder: Forwarder;
  readonly #lastGood: LastGood;
  readonly #origin;
  readonly #runners = new Map<string, EquipmentRunner>();
  readonly #ticker: NodeJS.Timeout;
  readonly #startedMs = Date.now();
  #refusing: string | undefined;
  #reloading: Promise<unknown> = Promise.resolve();
  #retired = { sampled: 0, suppressed: 0, queued: 0 };

  private constructor(
    config: GatewayConfig,
    log: Log,
    outbox: Outbox,
    hub: HubLink,
    lastGood: LastGood,
    origin: ReturnType<typeof eventOrigin>,
  ) {
    this.config = config;
    this.hub = hub;
    this.#log = log;
    this.#outbox = outbox;
    this.#lastGood = lastGood;
    this.#origin = origin;
    this.#forwarder = new Forwarder({
      outbox,
      log,
      gateway: config.gateway,
      compressed: hub.compressed,
      connect: (signal) => hub.connect(signal),
    });
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  /** Opens outbox and hub and starts every machine; `set` comes from `loadGatewayMappings`. */
  static async start(config: GatewayConfig, log: Log, set: MappingSet, lastGood: LastGood, signal: AbortSignal): Promise<Gateway> {
    const folder = outboxFolder(config);
    const origin = eventOrigin(config.gateway, config.path, await outboxIdentity(folder));
    const outbox = await openConfiguredOutbox(config, folder, origin);
    try {
      const context = { gateway: config.gateway, log, secret: secretOpener(config.folder), stateFolder: stateFolder(config, 'hub-client') };
      const hub = await openHubLink(config, context, signal);
      const gateway = new Gateway(config, log, outbox, hub, lastGood, origin);
      gateway.#apply(planReload([], set.equipment));
      gateway.#forwarder.start();
      return gateway;
    } catch (error) {
      await outbox[Symbol.asyncDispose]();
      throw error;
    }
  }

  get equipment(): readonly CompiledEquipment[] {
    return [...this.#runners.values()].map((runner) => runner.equipment);
  }

  /** Loads the mapping files anew and applies what changed. Reloads queue up behind each other. */
  reload(): Promise<ReloadResult> {
    const next = this.#reloading.then(async () => {
      const set = await loadMappingSet(mappingPaths(this.config), installedAdapters, this.#lastGood);
      const plan = planReload(this.equipment, set.equipment);
      const applied = !isEmpty(plan);
      if (applied) await this.#apply(plan);
      return { plan, problems: set.problems, fallbacks: set.fallbacks, applied };
    });
    this.#reloading = next.catch(() => {});
    return next;
  }

  async #apply(plan: ReloadPlan): Promise<void> {
    for (const equipment of plan.added) this.#startRunner(equipment);
    for (const { id } of plan.removed) {
      const runner = this.#runners.get(id);
      this.#runners.delete(id);
      if (runner) this.#retire(runner);
      await runner?.stop();
    }
    for (const change of plan.changed) {
      const runner = this.#runners.get(change.after.id);
      if (!runner) continue;
      if (!change.reopens) runner.update(change.after);
      else {
        await runner.stop();
        this.#startRunner(change.after, runner);
      }
    }
  }

  #startRunner(equipment: CompiledEquipment, before?: EquipmentRunner): void {
    const adapter = adapterNamed(equipment.adapter);
    if (!adapter)
      throw new GatewayError('adapter-missing', `${equipment.file}: no adapter ${equipment.adapter} is installed`, { retry: 'after-fix' });
    const runner = new EquipmentRunner(
      equipment,
      {
        origin: this.#origin,
        adapter,
        events: { append: (event) => this.#append(event) },
        onRefused: (error) => this.#refused(error),
        connect: {
          equipment: equipment.id,
          log: this.#log,
          stateFolder: stateFolder(this.config, equipment.adapter),
          secret: secretOpener(this.config.folder),
        },
      },
      before,
    );
    this.#runners.set(equipment.id, runner);
    runner.start();
  }

  /** The counts of a machine that left stay in the sum. */
  #retire(runner: EquipmentRunner): void {
    for (const key of ['sampled', 'suppressed', 'queued'] as const) this.#retired[key] += runner.counters[key];
  }

  async #append(event: Parameters<Outbox['append']>[0]): Promise<void> {
    await this.#outbox.append(event);
    if (this.#refusing !== undefined) {
      this.#refusing = undefined;
      this.#log.info({}, 'the outbox takes readings again');
    }
  }

  /** The outbox has the loss in its accounts and will send a gap record; here it is only said once. */
  #refused(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#refusing === reason) return;
    this.#refusing = reason;
    const hint = error instanceof GatewayError ? error.hint : undefined;
    this.#log.error({ reason, ...(hint ? { hint } : {}) }, 'the outbox cannot take readings; the loss is counted and will be reported');
  }

  #tick(): void {
    const now = performance.now();
    const lingerMs = this.config.batchFor;
    for (const runner of this.#runners.values()) runner.tick(now, lingerMs);
  }

  /** For `/health`: what keeps the gateway from its work. A machine or hub that is away does not; that is its work. */
  problems(): string[] {
    return this.#refusing === undefined ? [] : [`the outbox cannot take readings: ${this.#refusing}`];
  }

  /** For `/status`. In readings: sampled = suppressed + queued, queued = acked + dropped + pending. */
  status() {
    const total = { ...this.#retired };
    let collecting = 0;
    const equipment = [...this.#runners.values()].map((runner) => {
      for (const key of ['sampled', 'suppressed', 'queued'] as const) total[key] += runner.counters[key];
      collecting += runner.collecting;
      const { id, path, adapter, points } = runner.equipment;
      return { id, path, adapter, points: points.length, ...runner.state(), ...runner.counters };
    });
    const { queued: stored, pending, ...outbox } = this.#outbox.counters();
    const fromBefore = outbox.recovered;
    return {
      gateway: this.config.gateway,
      startedMs: this.#startedMs,
      accounts: { ...total, recovered: fromBefore, acked: outbox.acked, dropped: outbox.dropped, pending: pending + collecting },
      outbox: { ...outbox, queued: stored, pending },
      hub: { kind: this.config.hub.kind, ...this.#forwarder.state() },
      memory: process.memoryUsage.rss(),
      cpu: process.cpuUsage(),
      equipment,
    };
  }

  /** Stops in the order of the flow, so that what was read is on disk and what is on disk has its chance to leave. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reloading;
    // A server that hangs may not keep what was read from reaching the disk.
    const runners = [...this.#runners.values()];
    const stopped = new AbortController();
    await Promise.race([Promise.all(runners.map((runner) => runner.stop())), pause(machinesStopWithinMs, stopped.signal)]);
    stopped.abort();
    for (const runner of runners) runner.flush();
    clearInterval(this.#ticker);
    await this.#forwarder.stop();
    await this.#outbox[Symbol.asyncDispose]();
    await this.hub[Symbol.asyncDispose]();
  }
}

/** The first load, before anything is opened. */
export async function loadGatewayMappings(config: GatewayConfig): Promise<{ readonly set: MappingSet; readonly lastGood: LastGood }> {
  const lastGood = await openLastGood(join(inConfigFolder(config, config.data), 'last-good-mappings.json'));
  return { set: await loadMappingSet(mappingPaths(config), installedAdapters, lastGood), lastGood };
}

export function mappingPaths(config: GatewayConfig): string[] {
  return config.mappings.map((path) => inConfigFolder(config, path));
}

function stateFolder(config: GatewayConfig, name: string): string {
  return join(inConfigFolder(config, config.data), 'state', name);
}

export function outboxFolder(config: GatewayConfig): string {
  return inConfigFolder(config, config.outbox.folder ?? join(config.data, 'outbox'));
}

async function openConfiguredOutbox(config: GatewayConfig, folder: string, origin: ReturnType<typeof eventOrigin>): Promise<Outbox> {
  if (process.env.DRAGOMAN_BENCH_NO_OUTBOX === '1') return (await import('./memory-outbox.ts')).memoryOutbox();
  const { openOutbox } = await import('./outbox/outbox.ts');
  return openOutbox({
    folder,
    maxSizeBytes: config.outbox.maxSize,
    maxAgeMs: config.outbox.maxAge,
    whenFull: config.outbox.whenFull,
    commitEveryMs: config.outbox.commitEvery,
    encodeGap: (gap, sequence) => gapEvent(origin, gap, sequence),
  });
}
