import { join } from 'node:path';
import type { Log } from '../../adapters/contract.ts';
import { DeploymentAgent } from '../../deployments/agent/agent.ts';
import type { AgentAct } from '../../deployments/agent/contract.ts';
import type { Manifest, ManifestProblem, Plan } from '../../deployments/contract.ts';
import type { EngineAddress } from '../../deployments/engine/address.ts';
import type { OpenEngine } from '../../deployments/engine/contract.ts';
import { openDocker } from '../../deployments/engine/docker.ts';
import { fileKeyStore } from '../../deployments/key-store.ts';
import { readManifest } from '../../deployments/manifest/read-manifest.ts';
import { plan } from '../../deployments/plan/plan.ts';
import { compileRoutes } from '../../deployments/routes/table.ts';
import type { MethodAnswer } from '../../hub/core/contract.ts';
import { LogThrottle } from '../../hub/log.ts';
import type { MethodCall, MethodResult } from '../../hub-client/contract.ts';
import type { TwinObject } from '../../twin/section.ts';
import { type GatewayConfig, inConfigFolder } from '../config.ts';
import { dataFolder, deadLetterFolder } from '../folders.ts';
import type { Gateway } from '../gateway.ts';
import type { LogBook } from '../methods/log-book.ts';
import type { Methods } from '../methods/methods.ts';
import { packageVersion } from '../version.ts';
import { Box } from './box.ts';
import { ModuleBroker } from './broker/broker.ts';
import type { UpstreamSender } from './broker/contract.ts';
import { readingsTap, writeHandler } from './built-in.ts';
import type { DeploymentState, ModuleControl, ModulesState } from './contract.ts';
import { digestOf, isOvertaken, moveSource } from './deployment-source.ts';
import { imagesOf } from './images.ts';
import { ModuleCalls } from './module-calls.ts';
import { mountFrom } from './mount-from.ts';
import { outboxSender } from './outbox-sender.ts';
import { ownLogLines } from './own-logs.ts';
import type { ModulesSettings } from './settings.ts';
import { engineAddress, engineSockets } from './settings-files.ts';
import { deploymentNow, engineState, moduleRows, reportedHub } from './state.ts';
import { manifestOf, type UpstreamDeployment } from './upstream/deployment-pair.ts';
import type { DesiredSection } from './upstream/desired-mirror.ts';
import { EdgeUpstream } from './upstream/edge-upstream.ts';
import { type Who, whoWeAre } from './who.ts';

export interface ModuleServiceParts {
  readonly config: GatewayConfig;
  readonly settings: ModulesSettings;
  readonly gateway: Pick<Gateway, 'edge' | 'origin' | 'append' | 'showEvents' | 'onHub'> & Pick<Gateway, 'room'>;
  readonly methods: Methods;
  readonly log: Log;
  readonly logBook: Pick<LogBook, 'last'>;
}

/** Of the gateway's own log, in a support bundle and as logs of edgeAgent. */
const bundledLines = 1_000;
const version = { version: packageVersion(), build: '', commit: '' };
/** The certificate of the broker is looked at so often. */
const dayMs = 86_400_000;

/** The modules of this gateway: what a deployment asks for runs, is connected, and is joined by its routes. */
export class ModuleService implements ModuleControl, AsyncDisposable {
  readonly #parts: ModuleServiceParts;
  readonly #who: Who;
  readonly #box: Box;
  readonly #stack: AsyncDisposableStack;
  #broker!: ModuleBroker;
  #agent!: DeploymentAgent;
  #upstream: EdgeUpstream | undefined;
  /** Deployments that the agent has not answered yet; the last one was not taken up by a fault of this process, which the agent knows nothing of. */
  #deploying = 0;
  #fault = false;
  #deployment: DeploymentState = { state: 'none', from: '', version: 0, code: 0, description: '' };
  #hub: { readonly version: number; readonly code: number; readonly description: string } | undefined;

  private constructor(parts: ModuleServiceParts, who: Who, box: Box, stack: AsyncDisposableStack) {
    this.#parts = parts;
    this.#who = who;
    this.#box = box;
    this.#stack = stack;
  }

  /** Rejects with a GatewayError: a port that is taken, a folder that cannot be used. Waits for a hub only where it never said who this box is. */
  static async open(parts: ModuleServiceParts, signal: AbortSignal): Promise<ModuleService> {
    const { config, settings, gateway, log } = parts;
    const folder = modulesFolder(config);
    const store = fileKeyStore(join(folder, 'keys'));
    const { edge } = gateway;
    const who = await whoWeAre({ edge, gateway: config.gateway, store, log }, signal);
    await using stack = new AsyncDisposableStack();
    const sockets = settings.sockets === undefined ? join(folder, 'sockets') : inConfigFolder(config, settings.sockets);
    const address = await engineAddress(settings, config);
    const engine: OpenEngine = () => openDocker(address);
    const from = mountFrom(sockets, settings.mountFrom, engine);
    const hostName = hostNameOf(config, settings);
    const box = stack.use(await Box.open({ settings, sockets, mountFrom: from, store, who, hostName, edge, log }));
    await moveSource(store, agentFolder(config), log);
    const service = new ModuleService(parts, who, box, stack.move());
    try {
      await service.#start(folder, { address, engine });
      return service;
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(folder: string, { address, engine }: { readonly address: EngineAddress; readonly engine: OpenEngine }): Promise<void> {
    const { config, settings, gateway, log, logBook } = this.#parts;
    const hostName = hostNameOf(config, settings);
    const names = [hostName, ...settings.aliases];
    const certificate = await this.#box.certificates.broker(names);
    const { edge } = gateway;
    const sender: UpstreamSender = edge
      ? { maxBodyBytes: 256 * 1024, send: (message) => this.#upstreamNow().sender.send(message) }
      : outboxSender(gateway.origin, (event) => gateway.append(event));
    const { host, port } = settings.broker.listen;
    this.#broker = await ModuleBroker.open({
      folder: join(folder, 'broker'),
      deviceId: this.#who.deviceId,
      hubHostNames: [this.#who.hub],
      hostName,
      listen: { address: host, mqttPort: port, ...(settings.broker.https !== false && { httpsPort: settings.broker.https }) },
      certificate,
      identities: this.#box.identities,
      upstream: sender,
      deadLettersFolder: deadLetterFolder(config),
      log,
      onDeviceMethod: ({ name, payload }, caller) => this.#deviceMethod(name, payload, caller),
      ...(edge && { onReported: (module: string, patch: TwinObject) => this.#upstreamNow().reportModule(module, patch) }),
    });
    this.#stack.use(this.#broker);
    this.#box.serve(this.#broker.mqttPort, {
      made: (module) => this.#setTwin(module),
      removed: () => this.#broker.identitiesChanged(),
    });
    await this.#box.renewFiles();
    const images = await imagesOf(settings, config, {
      engine,
      data: agentFolder(config),
      onRefused: (refused) => this.#imageRefused(refused),
    });
    this.#agent = await DeploymentAgent.open({
      folder: agentFolder(config),
      gateway: config.gateway,
      engine,
      policy: settings.policy,
      guarded: { sockets: engineSockets(address), folders: [dataFolder(config)] },
      images,
      network: settings.network,
      environmentOf: (module) => this.#box.environmentOf(module),
      identities: this.#box,
      log,
      audit: (act) => this.#audited(act),
      onFollowed: (manifest) => this.#route(manifest),
      onSettled: (manifest) => this.#tidy(manifest),
      onReported: (reported) => this.#upstream?.reportAgent(reported),
      version,
      gate: { settleMs: settings.settleFor, healthyWithinMs: settings.healthyWithin },
      identity: () => ({ deviceId: this.#who.deviceId, hub: this.#who.hub }),
      ownLogs: () => ownLogLines(logBook.last(bundledLines)),
      bundleFiles: async () => new Map([['modules.json', JSON.stringify(this.state(), undefined, 2)]]),
    });
    this.#stack.use(this.#agent);
    if (this.#agent.manifest) {
      this.#route(this.#agent.manifest);
      this.#deployment = { ...this.#deployment, from: this.#agent.source.from ?? '', state: 'under way', code: 406 };
    }
    if (edge) this.#joinHub(edge);
    this.#joinGateway();
    const renew = setInterval(() => void this.#renewCertificate(names), dayMs).unref();
    this.#stack.defer(() => clearInterval(renew));
  }

  #joinHub(place: NonNullable<Gateway['edge']>): void {
    const { log } = this.#parts;
    const calls = new ModuleCalls((module, request, signal) => this.#broker.invoke(module, request, signal));
    const upstream = new EdgeUpstream({
      place,
      identities: this.#box.identities,
      log,
      onDeployment: (deployment) => void this.#fromHub(deployment),
      onAgentMethod: (call) => this.#agentMethod(call),
      onHubMethod: (call) => hubMethod(call),
      onModuleDesired: (module, desired) => this.#takeTwin(module, desired),
      onModuleMethod: (module, call) => calls.call(module, call),
      takesMethods: (module) => this.#broker.takesMethods(module),
      onIdentities: ({ changed }) => this.#identitiesChanged(changed),
      // What has no connection of its own goes over that of $edgeHub.
      onConnected: (module) => this.#broker.upstreamConnected(module === '$edgeHub' ? undefined : module),
    });
    this.#upstream = this.#stack.use(upstream);
    const heard = this.#parts.gateway.onHub(() => upstream.hubIsBack());
    this.#stack.use(heard);
    upstream.setModules(this.#agent.manifest?.modules.keys() ?? []);
    this.#broker.onClients(() => this.#tellClients());
    this.#broker.onMethods((module) => upstream.methodsChanged(module));
  }

  /** Readings become messages for whoever routes bring them to, and what modules want to write goes past the guards. */
  #joinGateway(): void {
    const { gateway, log } = this.#parts;
    const throttle = new LogThrottle(60_000);
    const parts = {
      deviceId: this.#who.deviceId,
      wants: (source: string) => this.#broker.wants(source, 'input'),
      inject: (message: Parameters<ModuleBroker['inject']>[0]) => this.#broker.inject(message, 'input'),
      lost: (equipment: string, error: Error) => {
        if (throttle.admit(equipment) !== undefined) log.warn({ equipment, reason: error.message }, 'readings do not reach modules');
      },
    };
    gateway.showEvents(readingsTap(parts));
    this.#stack.defer(() => gateway.showEvents(undefined));
    this.#broker.onInput('write', writeHandler(gateway.room.writes, { ...parts, inject: (message) => this.#broker.inject(message) }));
  }

  /** Resolves when it cannot go on, with the reason; it must then be closed and opened anew. */
  get failed(): Promise<Error> {
    return this.#broker.failed;
  }

  state(): ModulesState {
    return {
      ...engineState(this.#agent.engine),
      deployment: this.#fault || this.#deploying > 0 ? this.#deployment : deploymentNow(this.#deployment, this.#agent.answer),
      modules: moduleRows(this.#agent.reported(), this.#broker.clients(), this.#agent.manifest),
      broker: this.#broker.counters(),
    };
  }

  check(manifest: Manifest): Promise<readonly ManifestProblem[]> {
    return this.#agent.check(manifest);
  }

  plan(manifest: Manifest): Plan {
    return plan(this.#agent.running(), manifest);
  }

  deploy(manifest: Manifest, { from }: { readonly who: string; readonly from: string }): void {
    void this.#deploy(manifest, undefined, from);
  }

  async call(name: string, payload: unknown): Promise<{ status: number; payload: unknown }> {
    return this.#agent.methods.call(name, payload, 'command');
  }

  /** Never rejects: whoever waits for an answer gets one, also when the disk is full. */
  async #deploy(manifest: Manifest, desiredVersion: number | undefined, from: string, hubSaid?: string): Promise<void> {
    const about = { from, version: desiredVersion ?? 0 };
    this.#deployment = { ...about, state: 'under way', code: 406, description: '' };
    this.#fault = false;
    this.#deploying++;
    try {
      const { code } = await this.#agent.apply(manifest, desiredVersion, from, hubSaid);
      if (code === 406) return;
      if (code !== 200 && code !== 500) return;
      // Those that were made anew have theirs already; one whose container could not be made has none yet.
      for (const module of manifest.modules.keys()) if (this.#box.identities.get(module)) await this.#setTwin(module);
    } catch (error) {
      this.#fault = true;
      this.#deployment = { ...about, state: 'failed', code: 500, description: (error as Error).message };
      this.#parts.log.error({ err: error }, 'a deployment could not be taken up');
    } finally {
      this.#deploying--;
    }
  }

  /** The hub keeps twins of modules itself; those of a manifest that came otherwise are set here. */
  async #setTwin(module: string): Promise<void> {
    const desired = this.#ownTwin(module);
    if (desired) await this.#broker.setDesired(module, desired, Math.floor(Date.now() / 1000));
  }

  #ownTwin(module: string): TwinObject | undefined {
    return this.#agent.source.from === 'hub' ? undefined : this.#agent.manifest?.twins.get(module);
  }

  /** A hub that never heard of a module has nothing to say about what a manifest from elsewhere wants of it. */
  async #takeTwin(module: string, { properties, version: of }: DesiredSection): Promise<void> {
    if (Object.keys(properties).length === 0 && this.#ownTwin(module)) return;
    await this.#broker.setDesired(module, properties, of);
  }

  /** What the hub wants, as its twins have it. A device without deployment has empty ones. */
  async #fromHub(deployment: UpstreamDeployment): Promise<void> {
    const { agent, hub, version: desiredVersion, hubVersion } = deployment;
    if (Object.keys(agent).length === 0 && Object.keys(hub).length === 0) return;
    const { log } = this.#parts;
    const hubSaid = digestOf({ agent, hub });
    if (isOvertaken(this.#agent.source, hubSaid)) {
      log.info({ version: desiredVersion }, 'the hub says what it said before; what was deployed on this machine since stays');
      return;
    }
    const { manifest, problems } = readManifest(manifestOf(deployment), { environment: process.env });
    const ofHub = problems.filter(({ severity, keys }) => severity === 'error' && keys.includes('$edgeHub'));
    const [first] = ofHub;
    this.#hub = { version: hubVersion, code: first ? 400 : 200, description: first ? `${first.path}: ${first.message}` : '' };
    this.#tellClients();
    if (manifest) await this.#deploy(manifest, desiredVersion, 'hub', hubSaid);
    else {
      const { code, description } = this.#agent.refuse(problems, desiredVersion, 'hub', hubSaid);
      this.#fault = false;
      this.#deployment = { state: 'failed', from: 'hub', version: desiredVersion, code, description };
    }
  }

  /** The routes of the deployment that is followed, and connections at the hub for its modules. */
  #route(manifest: Manifest): void {
    const { table } = compileRoutes(manifest.routes, manifest.storeAndForward);
    if (table) this.#broker.setRoutes(table, { maxBytes: manifest.storeAndForward.maxSizeBytes });
    this.#upstream?.setModules(manifest.modules.keys());
  }

  #tidy({ modules }: Manifest): void {
    this.#broker.keepOnly(modules.keys()).catch((error: Error) => {
      this.#parts.log.warn({ reason: error.message }, 'what was kept for removed modules is still there; it goes at the next start');
    });
  }

  /** Who is connected, when that changed; the difference goes to the hub once a second at most. */
  #tellClients(): void {
    if (!this.#upstream || !this.#hub) return;
    const { version: desiredVersion, code, description } = this.#hub;
    const clients = this.#broker.clients();
    this.#upstream.reportHub(
      reportedHub({ deviceId: this.#who.deviceId, version, desiredVersion, status: { code, description }, clients }),
    );
  }

  #identitiesChanged(changed: readonly string[]): void {
    if (changed.length === 0) return;
    this.#broker.identitiesChanged();
    void this.#box.renewFiles();
    const modules = changed.filter((name) => !name.startsWith('$'));
    if (modules.length === 0) return;
    this.#agent
      .remake(modules, 'hub')
      .catch((error: Error) =>
        this.#parts.log.warn({ modules, reason: error.message }, 'modules could not be made with their new identity'),
      );
  }

  async #agentMethod({ name, payload }: MethodCall): Promise<MethodResult> {
    return this.#agent.methods.call(name, payload, 'hub');
  }

  /** A module that calls the device itself gets what a hub would get. */
  async #deviceMethod(name: string, payload: unknown, caller: string): Promise<MethodAnswer> {
    const { methods } = this.#parts;
    const { status, payload: answer = null } = await methods.call(name, payload, {
      who: caller,
      from: 'local',
      requestId: `${caller} ${Date.now()}`,
    });
    return { status, payload: answer };
  }

  #upstreamNow(): EdgeUpstream {
    if (!this.#upstream) throw new Error('the way to the hub is not open yet');
    return this.#upstream;
  }

  async #renewCertificate(names: readonly string[]): Promise<void> {
    try {
      this.#broker.useCertificate(await this.#box.certificates.broker(names));
    } catch (error) {
      this.#parts.log.error({ reason: (error as Error).message }, 'the certificate of the module broker could not be renewed');
    }
  }

  #imageRefused({ module, image, reason }: { readonly module: string; readonly image: string; readonly reason: string }): void {
    this.#audited({ action: 'image refused', target: module, from: 'gateway', outcome: 'refused', reason: `${image}: ${reason}` });
  }

  #audited({ action, target, from, outcome, reason }: AgentAct): void {
    const { gateway, log } = this.#parts;
    gateway.room.audit
      .append({ kind: 'deployment', action, who: from, from, target, outcome, ...(reason !== undefined && { reason }) })
      .catch((error: unknown) => log.error({ err: error }, 'a change of modules stands in no audit log'));
  }

  /** Modules run on. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** `$edgeHub` is asked for nothing but whether it lives. */
async function hubMethod({ name }: MethodCall): Promise<MethodResult> {
  if (name.toLowerCase() === 'ping') return { status: 200, payload: null };
  return { status: 404, payload: { message: `$edgeHub has no method ${name}; it has ping` } };
}

export const modulesFolder = (config: GatewayConfig): string => join(dataFolder(config), 'modules');

const agentFolder = (config: GatewayConfig): string => join(modulesFolder(config), 'agent');

const hostNameOf = ({ gateway }: GatewayConfig, { hostName }: ModulesSettings): string =>
  hostName ?? gateway.toLowerCase().replaceAll('_', '-').replace(/-+$/, '');
