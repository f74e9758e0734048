import type { Log } from '../../../adapters/contract.ts';
import type { RoutedMessage } from '../../../deployments/contract.ts';
import type { ModuleIdentities, Refreshed } from '../../../deployments/identities/module-identities.ts';
import { keyProof } from '../../../hub-client/azure/credentials.ts';
import { hardLimitBytes } from '../../../hub-client/azure/property-bag.ts';
import type { AzureSession } from '../../../hub-client/azure/session.ts';
import type { MethodCall, MethodResult } from '../../../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import type { TwinObject } from '../../../twin/section.ts';
import { fieldLog } from '../../field-log.ts';
import { DeploymentPair, type UpstreamDeployment } from './deployment-pair.ts';
import { DesiredMirror, type DesiredSection } from './desired-mirror.ts';
import { Doorway } from './doorway.ts';
import { IdentityLink, type IdentityLinkOptions, type LinkState } from './identity-link.ts';
import { IdentityRefresh } from './identity-refresh.ts';
import { borneMessage, ownMessage } from './module-message.ts';
import { Newest } from './newest.ts';
import type { EdgePlace } from './place.ts';
import { ReportedSide } from './reported-side.ts';

export interface EdgeUpstreamOptions {
  readonly place: EdgePlace;
  /** Of the modules, and of `$edgeAgent` and `$edgeHub`; its source is a {@link file://./module-registry.ts}. */
  readonly identities: Pick<ModuleIdentities, 'get' | 'ensure' | 'refresh'>;
  readonly log: Log;
  /** Each time either half is another one; at a start only when both are known. */
  readonly onDeployment: (deployment: UpstreamDeployment) => void;
  readonly onAgentMethod: (call: MethodCall) => Promise<MethodResult>;
  /** Absent: `$edgeHub` takes no methods (404). */
  readonly onHubMethod?: (call: MethodCall) => Promise<MethodResult>;
  /** The desired properties of a module, whole, each time they are other ones; the newest is brought again, with back-off, after a rejection. */
  readonly onModuleDesired: (moduleId: string, desired: DesiredSection) => Promise<void> | void;
  readonly onModuleMethod: (moduleId: string, call: MethodCall) => Promise<MethodResult>;
  /** Whether a module listens for methods now; while not, the hub says so itself, in the time that its caller gave. Absent: always. */
  readonly takesMethods?: (moduleId: string) => boolean;
  /** The hub was asked about the identities: those that changed are other ones on disk now. */
  readonly onIdentities?: (refreshed: Refreshed) => void;
  /** A connection is up (again): what waits for it can go. */
  readonly onConnected?: (moduleId: string) => void;
}

/** For the status page. */
export interface UpstreamState {
  /** Of `$edgeAgent`. */
  readonly connected: boolean;
  readonly deployment?: { readonly version: number; readonly hubVersion: number };
  /** By module id, with `$edgeAgent` and `$edgeHub`. */
  readonly links: Readonly<Record<string, LinkState>>;
}

interface ModuleUpstream {
  readonly link: IdentityLink;
  readonly desired: Newest<DesiredSection>;
}

const agentId = '$edgeAgent';
const hubId = '$edgeHub';
/** Links that come and go do not each have all identities compared. */
const refreshEveryMs = 300_000;

/**
 * This box at the hub as an IoT Edge device: `$edgeAgent`, `$edgeHub` and each module over a connection of its own, kept up until disposed. Needs no hub to
 * begin with. Whoever is away says why in `state()`.
 */
export class EdgeUpstream implements AsyncDisposable {
  /** The way of the module broker to `$upstream`: a message leaves over the connection of the module that sent it. */
  readonly sender = { maxBodyBytes: hardLimitBytes, send: (message: RoutedMessage): Promise<void> => this.#send(message) };
  readonly #options: EdgeUpstreamOptions;
  readonly #doorway = new Doorway();
  readonly #pair: DeploymentPair;
  readonly #reported: Readonly<Record<'agent' | 'hub', ReportedSide>>;
  readonly #agent: IdentityLink;
  readonly #hub: IdentityLink;
  readonly #refresh: IdentityRefresh;
  readonly #modules = new Map<string, ModuleUpstream>();
  readonly #leaving = new Set<Promise<void>>();
  /** Modules that the hub does not let in, and whose messages `$edgeHub` bears now: said once. */
  readonly #borne = new Set<string>();
  #given: { version: number; hubVersion: number } | undefined;
  #disposed = false;

  constructor(options: EdgeUpstreamOptions) {
    this.#options = options;
    const { log, onDeployment, onAgentMethod, onHubMethod } = options;
    this.#pair = new DeploymentPair((deployment) => {
      this.#given = { version: deployment.version, hubVersion: deployment.hubVersion };
      onDeployment(deployment);
    });
    this.#reported = { agent: new ReportedSide({ name: agentId, log }), hub: new ReportedSide({ name: hubId, log }) };
    this.#refresh = new IdentityRefresh({
      identities: options.identities,
      log,
      refreshed: (result) => {
        this.identitiesChanged(result.changed);
        options.onIdentities?.(result);
      },
    });
    this.#agent = this.#runtimeLink(agentId, 'agent', onAgentMethod);
    this.#hub = this.#runtimeLink(hubId, 'hub', onHubMethod);
  }

  /** All that `$edgeAgent` reports; the hub gets the difference to what it has, coalesced. Until the first call it keeps what it has. */
  reportAgent(reported: TwinObject): void {
    this.#reported.agent.report(reported);
  }

  /** The same for `$edgeHub`. */
  reportHub(reported: TwinObject): void {
    this.#reported.hub.report(reported);
  }

  /** The modules that there are now: connections are opened for those that came, as soon as they have an identity, and closed for those that left. */
  setModules(names: Iterable<string>): void {
    if (this.#disposed) return;
    const wanted = new Set([...names].filter((name) => !name.startsWith('$')));
    for (const [name, module] of this.#modules) {
      if (wanted.has(name)) continue;
      this.#modules.delete(name);
      module.desired[Symbol.dispose]();
      const left = module.link[Symbol.asyncDispose]();
      this.#leaving.add(left);
      void left.then(() => this.#leaving.delete(left));
    }
    for (const name of wanted) if (!this.#modules.has(name)) this.#modules.set(name, this.#moduleUpstream(name));
  }

  /** A merge patch of what a module reports. Resolves when the hub has it; rejects as `HubControl.report` does. */
  async reportModule(moduleId: string, patch: TwinObject): Promise<void> {
    const module = this.#modules.get(moduleId);
    if (!module) throw unknownModule(moduleId);
    await module.link.connected().control.report(patch);
  }

  /** `takesMethods` of this module changed. */
  methodsChanged(moduleId: string): void {
    this.#modules.get(moduleId)?.link.session?.control.takeMethods(this.#takesMethods(moduleId));
  }

  /** Modules got other keys: those that are named connect anew. */
  identitiesChanged(modules: Iterable<string>): void {
    for (const name of modules) this.#linkOf(name)?.renew();
  }

  /** The hub was heard of over another connection: nobody waits any longer. */
  hubIsBack(): void {
    this.#doorway.hurry();
    for (const link of this.#links()) if (!link.isRefused) link.hurry();
  }

  state(): UpstreamState {
    return {
      connected: this.#agent.session !== undefined,
      ...(this.#given && { deployment: this.#given }),
      links: Object.fromEntries([...this.#links()].map((link) => [link.name, link.state()])),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#pair[Symbol.dispose]();
    this.#refresh[Symbol.dispose]();
    for (const side of Object.values(this.#reported)) side[Symbol.dispose]();
    for (const { desired } of this.#modules.values()) desired[Symbol.dispose]();
    await Promise.all([...[...this.#links()].map((link) => link[Symbol.asyncDispose]()), ...this.#leaving]);
  }

  *#links(): Iterable<IdentityLink> {
    yield this.#agent;
    yield this.#hub;
    for (const { link } of this.#modules.values()) yield link;
  }

  #linkOf(name: string): IdentityLink | undefined {
    if (name === agentId) return this.#agent;
    return name === hubId ? this.#hub : this.#modules.get(name)?.link;
  }

  #runtimeLink(name: string, half: 'agent' | 'hub', onMethod: EdgeUpstreamOptions['onHubMethod']): IdentityLink {
    const { log, onConnected } = this.#options;
    const reported = this.#reported[half];
    let ended = AbortSignal.abort();
    const mirror = new DesiredMirror({
      give: (section) => this.#pair.changed(half, section),
      reported: (properties, control) => reported.attach(control, properties, ended),
      log,
    });
    return this.#link({ name, first: true }, (session, signal) => {
      ended = signal;
      if (onMethod) session.control.onMethod(onMethod);
      signal.addEventListener('abort', () => this.#pair.setCurrent(half, false), { once: true });
      void mirror.attach(session.control, signal).then(() => !signal.aborted && this.#pair.setCurrent(half, true));
      if (name === agentId) void this.#refresh.run(refreshEveryMs);
      onConnected?.(name);
    });
  }

  #moduleUpstream(name: string): ModuleUpstream {
    const { log, onModuleDesired, onModuleMethod, onConnected } = this.#options;
    const desired = new Newest<DesiredSection>(
      (section) => onModuleDesired(name, section),
      (error) =>
        log.warn({ module: name, reason: (error as Error).message }, 'the desired properties of a module could not be taken, trying again'),
    );
    const mirror = new DesiredMirror({ give: (section) => desired.put(section), log });
    const ready = (): boolean => this.#options.identities.get(name) !== undefined;
    const link = this.#link({ name, ready }, (session, signal) => {
      this.#borne.delete(name);
      session.control.takeMethods(this.#takesMethods(name));
      session.control.onMethod((call) => onModuleMethod(name, call));
      void mirror.attach(session.control, signal);
      onConnected?.(name);
    });
    return { link, desired };
  }

  #takesMethods(moduleId: string): boolean {
    return this.#options.takesMethods?.(moduleId) ?? true;
  }

  #link(
    who: Pick<IdentityLinkOptions, 'name' | 'first' | 'ready'>,
    begin: (session: AzureSession, signal: AbortSignal) => void,
  ): IdentityLink {
    const { log } = this.#options;
    return new IdentityLink({
      ...who,
      doorway: this.#doorway,
      connect: (signal) => this.#connect(who.name, signal),
      begin,
      // It may have been made anew there, with other keys.
      refused: ({ code }) => {
        if (code === 'hub-credentials') this.#refresh.afterRefusal();
      },
      log,
    });
  }

  async #connect(moduleId: string, signal: AbortSignal): Promise<AzureSession> {
    const { place, identities, log } = this.#options;
    const device = await place.device(signal);
    // Those of the modules are made by whoever runs them: a module that leaves just now must not be made again.
    const module = identities.get(moduleId) ?? (isRuntime(moduleId) ? await identities.ensure(moduleId) : undefined);
    if (!module) throw withoutIdentity(moduleId);
    if (module.deviceId !== device.deviceId) throw anotherDevice(module.deviceId, device.deviceId);
    const { connectAs } = await import('../../../hub-client/azure/client.ts');
    return connectAs(
      { ...device, moduleId, proof: keyProof(module.primaryKey) },
      place.settings,
      fieldLog(log, { module: moduleId }),
      signal,
    );
  }

  async #send(message: RoutedMessage): Promise<void> {
    const moduleId = message.system.connectionModuleId;
    const own = moduleId === undefined ? undefined : this.#linkOf(moduleId);
    if (own && !this.#isKeptOut(own)) return own.connected().forward(ownMessage(message));
    // Its module left, or cannot come in: what it said must not be lost, nor hold up the others.
    const session = this.#hub.connected();
    if (own?.isRefused) this.#sayBorne(own.name);
    return session.forward(borneMessage(message));
  }

  /** The hub will not have it, or it is no identity there (any more). */
  #isKeptOut(link: IdentityLink): boolean {
    return link.isRefused || (!isRuntime(link.name) && this.#options.identities.get(link.name) === undefined);
  }

  #sayBorne(moduleId: string): void {
    if (this.#borne.has(moduleId)) return;
    this.#borne.add(moduleId);
    this.#options.log.warn(
      { module: moduleId },
      'the hub does not let a module in; its messages go as those of $edgeHub, with its name in dragoman-module',
    );
  }
}

const unknownModule = (moduleId: string): GatewayError =>
  new GatewayError('module-unknown', `There is no module ${moduleId} on this box.`, { retry: 'after-fix' });

const isRuntime = (moduleId: string): boolean => moduleId === agentId || moduleId === hubId;

const withoutIdentity = (moduleId: string): NotConnectedError =>
  new NotConnectedError('hub-module-offline', `Module ${moduleId} has no identity on this box yet.`, { retry: 'with-backoff' });

const anotherDevice = (ours: string, now: string): NotConnectedError =>
  new NotConnectedError('hub-moved', `This box is device ${now} of its hub now; its modules have identities of ${ours}.`, {
    retry: 'with-backoff',
    hint: 'Start the gateway again: its modules get new identities.',
  });
