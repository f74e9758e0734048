import { join } from 'node:path';
import type { Endpoint, RoutedMessage, RouteTable } from '../../../deployments/contract.ts';
import type { MethodAnswer, MethodRequest } from '../../../hub/core/contract.ts';
import { RequestError } from '../../../hub/core/request-error.ts';
import { takeLock } from '../../../hub/database.ts';
import { afterFix, type HubError } from '../../../hub/error.ts';
import { makeFolder } from '../../../hub/folder.ts';
import type { ListenerCertificate } from '../../../hub/mqtt/server.ts';
import type { TwinObject } from '../../../twin/section.ts';
import { builtInModule } from '../built-in.ts';
import { assemble, defaultMaxBytes, type Running, settingsOf } from './assembly.ts';
import type { BrokerClient, BrokerCounters, BrokerOptions } from './contract.ts';
import { type MethodsEndpoint, type MethodTarget, startMethodsEndpoint } from './methods-endpoint.ts';
import type { InputHandler } from './outlets.ts';
import { endpointOf, queueOf, upstreamQueue } from './queue-names.ts';

/** The edge hub of this box: MQTT for modules, routes between them, queues on disk, their twins and methods. */
export class ModuleBroker implements AsyncDisposable {
  readonly mqttPort: number;
  /** Undefined: does not listen. */
  readonly httpsPort: number | undefined;
  /** Resolves when the broker broke in a way that only a new one cures; nothing is taken any more then. */
  readonly failed: Promise<HubError>;
  readonly #options: BrokerOptions;
  readonly #running: Running;
  readonly #endpoint: MethodsEndpoint | undefined;
  readonly #stack: AsyncDisposableStack;
  #closing: Promise<void> | undefined;
  #tidying: Promise<void> = Promise.resolve();

  /** Rejects with HubError: a port in use, the folder not writable or in use by another broker. */
  static async open(options: BrokerOptions): Promise<ModuleBroker> {
    const { folder, listen, certificate } = options;
    makeFolder(folder);
    await using stack = new AsyncDisposableStack();
    const lock = takeLock(join(folder, 'lock.db'));
    if (!lock) {
      throw afterFix(
        'broker-running',
        `another module broker runs in ${folder}`,
        'stop the other gateway, or give this one its own data folder',
      );
    }
    stack.use(lock);
    const running = await assemble(options, stack);
    const mqttSettings = settingsOf(options);
    stack.defer(() => running.mqtt.close());
    const mqttPort = await running.mqtt.listen(mqttSettings);
    const endpoint =
      listen.httpsPort === undefined
        ? undefined
        : stack.use(
            await startMethodsEndpoint(
              {
                identity: (id) => running.identities.find(id),
                isOurName: running.core.isOurName,
                invoke: (target, request, caller, signal) => invokeFor(options, running, target, request, caller, signal),
                log: options.log,
              },
              certificate,
              { port: listen.httpsPort, address: listen.address },
            ),
          );
    const broker = new ModuleBroker(options, running, mqttPort, endpoint, stack.move());
    running.router.start();
    for (const { moduleId } of broker.clients()) running.reported?.changed(moduleId);
    return broker;
  }

  private constructor(
    options: BrokerOptions,
    running: Running,
    mqttPort: number,
    endpoint: MethodsEndpoint | undefined,
    stack: AsyncDisposableStack,
  ) {
    this.#options = options;
    this.#running = running;
    this.mqttPort = mqttPort;
    this.#endpoint = endpoint;
    this.httpsPort = endpoint?.port;
    this.failed = running.failed;
    this.#stack = stack;
  }

  /** For messages that come from now on; what waits keeps its priority and time to live. */
  setRoutes(table: RouteTable, limits: { readonly maxBytes?: number | undefined } = {}): void {
    this.#running.router.setRoutes(table, limits.maxBytes ?? this.#options.maxBytes ?? defaultMaxBytes);
  }

  /** Whether a message of this source can go anywhere, or to an endpoint of this kind; where it is false, none need be made. */
  wants(source: string, kind?: Endpoint['kind']): boolean {
    return this.#running.router.wants(source, kind);
  }

  /**
   * A message of the gateway itself; with a kind it goes to endpoints of that kind only, whatever else routes say. Resolves when it waits on disk
   * wherever it is to go; rejects with a HubError when there is no room.
   */
  inject(message: RoutedMessage, kind?: Endpoint['kind']): Promise<void> {
    return this.#running.router.take(message, kind);
  }

  /**
   * Serves an input of the built-in module: a message is taken off its queue when the handler resolves. After a GatewayError `never` it is a
   * dead letter, after anything else tried again with back-off. One at a time. `id` is the same when it comes again, also after a restart.
   */
  onInput(name: string, handler: InputHandler): void {
    this.#running.handlers.set(name, handler);
    const input = queueOf({ kind: 'input', module: builtInModule, input: name }, { system: {} });
    this.#running.router.wake((queue) => queue === input);
  }

  /** What upstream says is desired, whole, under its `$version`; 404 when there is no such module. Resolves when it is on disk. */
  async setDesired(moduleId: string, desired: TwinObject, version: number): Promise<void> {
    const { core, identities } = this.#running;
    identities.ensure(moduleId);
    await core.twins.takeDesired({ deviceId: this.#options.deviceId, moduleId }, desired, version);
  }

  /** Calls a method of a module. Rejects with a RequestError (`status`) as the hub's own. */
  invoke(moduleId: string, request: MethodRequest, signal?: AbortSignal): Promise<MethodAnswer> {
    const { core, identities } = this.#running;
    identities.ensure(moduleId);
    return core.methods.invoke({ deviceId: this.#options.deviceId, moduleId }, request, signal);
  }

  /** Upstream is there again, for this module or for all of them: what waits for it is tried at once. */
  upstreamConnected(moduleId?: string): void {
    const own = moduleId === undefined ? undefined : upstreamQueue(moduleId);
    this.#running.router.wake(own === undefined ? (queue) => endpointOf(queue)?.kind === 'upstream' : (queue) => queue === own);
    this.#running.reported?.wake(moduleId);
  }

  /** After identities were made, deleted, or got other keys: whoever may not be here any more goes out. */
  identitiesChanged(): void {
    this.#running.identities.check();
  }

  /**
   * A deployment with these modules has been taken up, and will not be taken back by this box: sessions, twins and queues of others go. Resolves when they
   * are gone from the disk; rejects with a HubError when that cannot be written. What is left then goes with the next call.
   */
  keepOnly(modules: Iterable<string>): Promise<void> {
    const names = new Set(modules).add(builtInModule);
    const work = this.#tidying.then(() => this.#keepOnly(names));
    this.#tidying = work.catch(() => {});
    return work;
  }

  /** New connections get this one. */
  useCertificate(certificate: ListenerCertificate): void {
    this.#running.mqtt.useCertificate(certificate);
    this.#endpoint?.useCertificate(certificate);
  }

  /** Modules that were here once. */
  clients(): readonly BrokerClient[] {
    return this.#running.clients.list();
  }

  /** Whether it is connected and listens for methods. */
  takesMethods(moduleId: string): boolean {
    return this.#running.clients.takesMethods(moduleId);
  }

  /** After `takesMethods` changed for a module. */
  onMethods(listener: (moduleId: string) => void): void {
    this.#running.clients.onMethods(listener);
  }

  /** When `clients` is another than before; bursts are told once. */
  onClients(listener: () => void): void {
    this.#running.clients.onChange(listener);
  }

  counters(): BrokerCounters {
    return { ...this.#running.mqtt.counters(), ...this.#running.router.counters() };
  }

  async #keepOnly(modules: ReadonlySet<string>): Promise<void> {
    if (this.#closing) return;
    const { identities, router, store } = this.#running;
    identities.check();
    await router.keepOnly(modules);
    if (this.#closing) return;
    await store.keepReported(modules);
  }

  /** Within a second: what was taken is on disk and acknowledged, every module gets a FIN. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#stack.disposeAsync();
    return this.#closing;
  }
}

/** A call that came over HTTPS. */
function invokeFor(
  { deviceId, onDeviceMethod }: BrokerOptions,
  { core, identities }: Running,
  target: MethodTarget,
  request: MethodRequest,
  caller: string,
  signal: AbortSignal,
): Promise<MethodAnswer> {
  if (target.deviceId !== deviceId)
    throw new RequestError('DeviceNotFound', `this gateway is ${deviceId}, and knows no device ${target.deviceId}`);
  if (target.moduleId === undefined) {
    if (!onDeviceMethod) throw new RequestError('DeviceNotOnline', `${deviceId} itself answers no methods here`);
    return onDeviceMethod(request, caller, signal);
  }
  identities.ensure(target.moduleId);
  return core.methods.invoke({ deviceId, moduleId: target.moduleId }, request, signal);
}
