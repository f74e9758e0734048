import { join } from 'node:path';
import type { Adapter, Log } from '../adapters/contract.ts';
import type { HubContext, HubSession } from '../hub-client/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import { GatewayError } from '../model/error.ts';
import type { Problem } from '../model/problem.ts';
import { type EventOrigin, eventOrigin } from './cloud-event.ts';
import { type GatewayConfig, inConfigFolder } from './config.ts';
import { batchForMs, type RuntimeSettings } from './configuration/runtime-settings.ts';
import type { ConfigurationService } from './configuration/service.ts';
import { ControlRoom } from './control-room.ts';
import { DeadLetters } from './destination/dead-letters.ts';
import { Destination } from './destination/destination.ts';
import { foundAtStart, sayRemoved } from './destination/found-lost.ts';
import { EquipmentRunner } from './equipment-runner.ts';
import { dataFolder, deadLetterFolder, mappingPaths, outboxFolder, stateFolder } from './folders.ts';
import type { LastGood } from './last-good.ts';
import type { LoadedMappings } from './loaded-mappings.ts';
import { loadMappingSet } from './mapping-set.ts';
import type { Methods } from './methods/methods.ts';
import type { EdgePlace } from './modules/upstream/place.ts';
import { openConfiguredOutbox } from './open-outbox.ts';
import type { Outbox, OutboxEvent } from './outbox/contract.ts';
import { outboxIdentity } from './outbox-identity.ts';
import { pause } from './pause.ts';
import { RunningPlant } from './plant.ts';
import { type ReadNow, readNow } from './read-now.ts';
import { isEmpty, planReload, type ReloadPlan } from './reload-plan.ts';
import { secretOpener } from './secrets.ts';
import type { ShadowTap } from './shadow/tap.ts';
import type { EventTap } from './telemetry-builder.ts';
import { configuredPoints, type TwinView, twinView, type ViewRequest } from './twin/point-view.ts';
import { packageVersion } from './version.ts';
import { writeTargets } from './write-targets.ts';

const tickMs = 50;
const machinesStopWithinMs = 700;

export interface ReloadResult {
  readonly plan: ReloadPlan;
  readonly problems: readonly Problem[];
  readonly fallbacks: readonly string[];
  /** False when nothing was to do. */
  readonly applied: boolean;
}

interface Parts {
  readonly config: GatewayConfig;
  readonly adapters: readonly Adapter[];
  readonly log: Log;
  readonly outbox: Outbox;
  readonly lastGood: LastGood;
  readonly configuration: ConfigurationService;
  readonly methods: Methods;
  readonly origin: ReturnType<typeof eventOrigin>;
}

/** The running whole: machines, outbox, hubs. */
export class Gateway implements AsyncDisposable {
  readonly config: GatewayConfig;
  readonly plant: RunningPlant;
  readonly #parts: Parts;
  readonly #destinations: Destination[] = [];
  readonly #runners = new Map<string, EquipmentRunner>();
  readonly #ticker: NodeJS.Timeout;
  readonly #startedMs = Date.now();
  #room: ControlRoom | undefined;
  #refusing: string | undefined;
  #tap: EventTap | undefined;
  readonly #hubListeners = new Set<() => void>();
  #reloading: Promise<unknown> = Promise.resolve();
  #retired = { sampled: 0, suppressed: 0, queued: 0 };
  #batchForMs: number;

  private constructor(parts: Parts) {
    this.config = parts.config;
    this.#parts = parts;
    this.#batchForMs = parts.config.batchFor;
    this.plant = new RunningPlant(() => [...this.#runners.values()].flatMap((runner) => runner.machines));
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  /** Opens outbox and hubs and starts every machine; `loaded` comes from `loadGatewayMappings`. */
  static async start(config: GatewayConfig, log: Log, loaded: LoadedMappings, methods: Methods, signal: AbortSignal): Promise<Gateway> {
    const { set, lastGood, adapters, configuration } = loaded;
    const folder = outboxFolder(config);
    const origin = eventOrigin(config.gateway, config.path, await outboxIdentity(folder));
    const outbox = await openConfiguredOutbox(config, folder, origin);
    sayRemoved(outbox.counters(), log);
    const gateway = new Gateway({ config, adapters, log, outbox, lastGood, configuration, methods, origin });
    try {
      const room = await gateway.#openControlRoom();
      for (const one of config.destinations) {
        const letters = new DeadLetters(deadLetterFolder(config), one.name);
        // The first destination is the hub that commands; the others only listen.
        const onSession = gateway.#destinations.length === 0 ? (session: HubSession) => gateway.#commanded(room, session) : undefined;
        const context = gateway.#hubContext(one.name);
        gateway.#destinations.push(await Destination.open(one, outbox.cursor(one.name), context, { letters, onSession }, signal));
      }
      const plan = planReload([], set.equipment);
      await gateway.#apply(plan);
      void configuration.note(set.texts, plan);
      configuration.attach(gateway);
      room.start(gateway);
      for (const destination of gateway.#destinations) destination.start();
      return gateway;
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Twin, methods, writes, audit; there once the gateway was started. */
  get room(): ControlRoom {
    return this.#room!;
  }

  async #openControlRoom(): Promise<ControlRoom> {
    const { config, log, methods, configuration, adapters, origin } = this.#parts;
    this.#room = await ControlRoom.open({
      dataFolder: dataFolder(config),
      writes: config.writes,
      hub: JSON.stringify([config.destinations[0]?.kind, config.destinations[0]?.settings, config.gateway]),
      log,
      methods,
      configuration,
      adapters,
      origin,
      tallies: () => [...this.#runners.values()].flatMap(({ machines }) => machines.map((machine) => machine.tally())),
      targets: writeTargets(() => this.#runners.values()),
      stateOf: (id) => this.#runnerOf(id)?.state(),
      identity: () => this.identity(),
      append: (event) => this.append(event),
    });
    return this.#room;
  }

  /** Reads machines now; a machine that cannot be read gets no entry but an error in `errors`. */
  readNow(equipment: readonly string[] | undefined): Promise<ReadNow> {
    return readNow([...this.#runners.values()], equipment);
  }

  /** Every point as configured and as it is now, as far as `maxBytes` go. */
  points(request: ViewRequest = {}, maxBytes?: number): TwinView {
    const machines = [...this.#runners.values()].flatMap((runner) =>
      runner.machines.map(({ equipment, points }) => ({ ...equipment, points })),
    );
    return twinView({ plant: this.plant, nowMs: Date.now(), configured: configuredPoints(machines) }, request, maxBytes);
  }

  /** For `info`: who this is. */
  identity(): Readonly<Record<string, unknown>> {
    const { gateway, path } = this.config;
    return {
      gateway,
      path,
      version: packageVersion(),
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      startedAt: new Date(this.#startedMs).toISOString(),
      outbox: this.#parts.origin.outbox,
      machines: this.equipment.length,
    };
  }

  get destinations(): readonly { readonly name: string; readonly where: string }[] {
    return this.#destinations.map(({ config: { name }, where }) => ({ name, where }));
  }

  #commanded(room: ControlRoom, session: HubSession): void {
    room.attach(session);
    for (const listener of this.#hubListeners) listener();
  }

  /** Told each time that a session with the hub that commands was opened. */
  onHub(listener: () => void): Disposable {
    this.#hubListeners.add(listener);
    return { [Symbol.dispose]: () => void this.#hubListeners.delete(listener) };
  }

  /** Where its modules belong, at the hub that commands; undefined for a hub that knows no modules. */
  get edge(): EdgePlace | undefined {
    return this.#destinations[0]?.edge;
  }

  get origin(): EventOrigin {
    return this.#parts.origin;
  }

  #hubContext(destination: string): HubContext {
    const { config, log, origin } = this.#parts;
    return {
      gateway: config.gateway,
      source: origin.source,
      plant: this.plant,
      log,
      secret: secretOpener(config.folder),
      resolve: (path) => inConfigFolder(config, path),
      stateFolder: stateFolder(config, destination === 'hub' ? 'hub-client' : join('destinations', destination)),
    };
  }

  get equipment(): readonly CompiledEquipment[] {
    return [...this.#runners.values()].map((runner) => runner.equipment);
  }

  /** Loads the mapping files anew and applies what changed. Reloads queue up behind each other. */
  reload(): Promise<ReloadResult> {
    const next = this.#reloading.then(async () => {
      const { adapters, lastGood, configuration } = this.#parts;
      const set = await loadMappingSet(mappingPaths(this.config), adapters, lastGood, configuration.managed);
      const plan = planReload(this.equipment, set.equipment);
      const applied = !isEmpty(plan);
      if (applied) await this.#apply(plan);
      // Not awaited: it takes its turn behind a change that may be waiting for this very reload.
      void configuration.note(set.texts, plan);
      return { plan, problems: set.problems, fallbacks: set.fallbacks, applied };
    });
    this.#reloading = next.catch(() => {});
    return next;
  }

  /** Settings that can change while it runs; what is absent is as `dragoman.yaml` says. */
  applySettings(settings: RuntimeSettings): void {
    this.#batchForMs = batchForMs(settings) ?? this.config.batchFor;
    const { log } = this.#parts;
    if ('level' in log) log.level = settings.log?.level ?? this.config.log.level;
  }

  async #apply(plan: ReloadPlan): Promise<void> {
    for (const equipment of plan.added) this.#startRunner(equipment);
    for (const { id } of plan.removed) {
      const runner = this.#runners.get(id);
      this.#runners.delete(id);
      if (runner) this.#retire(runner);
      await runner?.stop('it is in no mapping any more');
    }
    for (const change of plan.changed) {
      const runner = this.#runners.get(change.after.id);
      if (!runner) continue;
      if (!change.reopens) runner.update(change.after);
      else {
        await runner.stop('its connection was changed');
        this.#startRunner(change.after, runner);
      }
    }
    if (!isEmpty(plan)) this.plant.changed();
  }

  #startRunner(equipment: CompiledEquipment, before?: EquipmentRunner): void {
    const { adapters, log, origin } = this.#parts;
    const adapter = adapters.find(({ name }) => name === equipment.adapter);
    if (!adapter)
      throw new GatewayError('adapter-missing', `${equipment.file}: no adapter ${equipment.adapter} is installed`, { retry: 'after-fix' });
    const runner = new EquipmentRunner(
      equipment,
      {
        origin,
        adapter,
        claim: (id) => this.#isFree(id),
        onGrown: () => this.plant.changed(),
        tap: () => this.#tap,
        events: { append: (event) => this.append(event) },
        onRefused: (error) => this.#refused(error),
        connect: {
          equipment: equipment.id,
          log,
          stateFolder: stateFolder(this.config, equipment.adapter),
          secret: secretOpener(this.config.folder),
        },
      },
      before,
    );
    this.#runners.set(equipment.id, runner);
    runner.start();
  }

  /** Shows every event of the machines to `tap` as it goes into the outbox; undefined: no more. */
  showEvents(tap: EventTap | undefined): void {
    this.#tap = tap;
  }

  /** Lets a shadow run look at a machine, or ends that; false when there is no such machine. */
  shadow(id: string, tap: ShadowTap | undefined): boolean {
    this.#runners.get(id)?.shadow(tap);
    return this.#runners.has(id);
  }

  #isFree(id: string): boolean {
    return this.#runnerOf(id) === undefined;
  }

  /** The one behind a machine, which may be one of a pattern. */
  #runnerOf(machine: string): EquipmentRunner | undefined {
    const direct = this.#runners.get(machine);
    return direct ?? [...this.#runners.values()].find((runner) => runner.machines.some(({ equipment }) => equipment.id === machine));
  }

  /** The counts of a machine that left stay in the sum. */
  #retire(runner: EquipmentRunner): void {
    for (const machine of runner.machines) addCounters(this.#retired, machine.counters);
  }

  /** One more event into the outbox; resolves when it is on disk. */
  async append(event: OutboxEvent): Promise<void> {
    await this.#parts.outbox.append(event);
    if (this.#refusing !== undefined) {
      this.#refusing = undefined;
      this.#parts.log.info({}, 'the outbox takes readings again');
    }
  }

  /** The outbox has the loss in its accounts and will send a gap record; here it is only said once. */
  #refused(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    if (this.#refusing === reason) return;
    this.#refusing = reason;
    const hint = error instanceof GatewayError ? error.hint : undefined;
    this.#parts.log.error(
      { reason, ...(hint ? { hint } : {}) },
      'the outbox cannot take readings; the loss is counted and will be reported',
    );
  }

  #tick(): void {
    const now = performance.now();
    const lingerMs = this.#batchForMs;
    for (const runner of this.#runners.values()) runner.tick(now, lingerMs);
  }

  /** For `/health`: what keeps the gateway from its work. A machine or hub that is away does not; that is its work. */
  problems(): string[] {
    return this.#refusing === undefined ? [] : [`the outbox cannot take readings: ${this.#refusing}`];
  }

  /** For `/status`. In readings: sampled = suppressed + queued, queued + recovered = acked + dropped + pending. */
  status() {
    const total = { ...this.#retired };
    let collecting = 0;
    const equipment = [...this.#runners.values()].flatMap((runner) =>
      runner.machines.map((machine) => {
        addCounters(total, machine.counters);
        collecting += machine.collecting;
        const { id, path, adapter } = machine.equipment;
        return { id, path, adapter, points: machine.points.length, ...runner.state(), ...machine.counters };
      }),
    );
    const destinations = Object.fromEntries(this.#destinations.map((one) => [one.config.name, one.state()]));
    const { queued: stored, pending, ...outbox } = this.#parts.outbox.counters();
    const fromBefore = foundAtStart(outbox);
    return {
      gateway: this.config.gateway,
      startedMs: this.#startedMs,
      accounts: { ...total, recovered: fromBefore, acked: outbox.acked, dropped: outbox.dropped, pending: pending + collecting },
      outbox: { ...outbox, queued: stored, pending },
      destinations,
      twin: this.room.remote.twin.state(),
      memory: process.memoryUsage.rss(),
      cpu: process.cpuUsage(),
      equipment,
    };
  }

  /** Stops in the order of the flow, so that what was read is on disk and what is on disk has its chance to leave. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#room?.stopWriting();
    await this.#parts.configuration.settled();
    await this.#reloading;
    // A server that hangs may not keep what was read from reaching the disk.
    const runners = [...this.#runners.values()];
    const stopped = new AbortController();
    await Promise.race([Promise.all(runners.map((runner) => runner.stop())), pause(machinesStopWithinMs, stopped.signal)]);
    stopped.abort();
    for (const runner of runners) runner.flush();
    clearInterval(this.#ticker);
    await this.#room?.[Symbol.asyncDispose]();
    await Promise.all(this.#destinations.map((destination) => destination.stop()));
    await this.#parts.outbox[Symbol.asyncDispose]();
    await Promise.all(this.#destinations.map((destination) => destination[Symbol.asyncDispose]()));
  }
}

type Counters = { sampled: number; suppressed: number; queued: number };

function addCounters(sum: Counters, more: Readonly<Counters>): void {
  for (const key of ['sampled', 'suppressed', 'queued'] as const) sum[key] += more[key];
}
