import { join } from 'node:path';
import type { Endpoint } from '../../../deployments/contract.ts';
import { Core } from '../../../hub/core/hub-core.ts';
import type { HubError } from '../../../hub/error.ts';
import { hostOnly } from '../../../hub/mqtt/connect.ts';
import { decideIdentity } from '../../../hub/mqtt/identity-decision.ts';
import { MqttServer, type MqttSettings } from '../../../hub/mqtt/server.ts';
import { forgetConnections, getIdentity, identityId, openRegistry } from '../../../hub/registry.ts';
import { DeadLetters } from '../../destination/dead-letters.ts';
import { builtInModule } from '../built-in.ts';
import { Budget } from './budget.ts';
import { ClientList } from './client-list.ts';
import type { BrokerOptions } from './contract.ts';
import { BrokerIdentities } from './identities.ts';
import { handledOutlet, type InputHandler, moduleBudgetBytes, moduleOutlet, type Outlet, upstreamOutlet } from './outlets.ts';
import { QueueStore } from './queue-store.ts';
import { type ReportedNow, ReportedSync } from './reported.ts';
import { Router } from './router.ts';
import { Turns } from './turns.ts';

export const defaultMaxBytes = 1024 ** 3;
const defaultRetryMs = 500;

const cures = {
  identity: 'modules of the deployment have one; devices themselves do not connect here',
  host: "the module's IOTEDGE_IOTHUBHOSTNAME and IOTEDGE_GATEWAYHOSTNAME are those of this gateway when its container is made anew",
};

/** What the broker is made of. */
export interface Running {
  readonly core: Core;
  readonly identities: BrokerIdentities;
  readonly clients: ClientList;
  readonly store: QueueStore;
  readonly router: Router;
  readonly reported: ReportedSync | undefined;
  readonly mqtt: MqttServer;
  readonly handlers: Map<string, InputHandler>;
  readonly failed: Promise<HubError>;
}

/** Everything but the ports. */
export async function assemble(options: BrokerOptions, stack: AsyncDisposableStack): Promise<Running> {
  const { folder, deviceId, log, certificate, retryMs = defaultRetryMs } = options;
  const db = openRegistry(folder);
  stack.defer(() => db.close());
  forgetConnections(db);
  const names = new Set([...options.hubHostNames, options.hostName].map(hostOnly));
  const isOurName = (host: string): boolean => names.has(hostOnly(host));
  // Policies are the hub's; nobody comes in here by one.
  const core = stack.use(new Core({ folder, db, policies: { get: () => undefined }, isOurName, log }));
  const clients = stack.use(new ClientList(core, deviceId));
  const identities = new BrokerIdentities(core, deviceId, options.identities, () => clients.changed());
  const store = stack.use(await QueueStore.open(folder));
  const handlers = new Map<string, InputHandler>();
  const upstreamTurns = new Turns();
  const budgets = new Map<string, Budget>();
  const outletOf = (endpoint: Endpoint): Outlet => {
    if (endpoint.kind === 'upstream') return upstreamOutlet(options.upstream, upstreamTurns);
    const { module, input } = endpoint;
    if (module === builtInModule) return handledOutlet(() => handlers.get(input));
    const budget = budgets.get(module) ?? new Budget(moduleBudgetBytes);
    budgets.set(module, budget);
    return moduleOutlet(core.inputs, deviceId, module, input, budget);
  };
  const maxBytes = options.maxBytes ?? defaultMaxBytes;
  const deadLetters = new DeadLetters(options.deadLettersFolder ?? join(folder, 'dead-letters'), 'modules');
  const router = stack.use(new Router({ store, outletOf, log, maxBytes, retryMs, deadLetters }));
  if (options.routes) router.setRoutes(options.routes, maxBytes);
  core.links.onListening((link) => {
    if (link.listens('inputs') === undefined) return;
    const inputs = `modules/${link.id.slice(deviceId.length + 1)}/inputs/`;
    router.wake((queue) => queue.startsWith(inputs));
  });
  const reported = options.onReported && stack.use(reportedSync(options, options.onReported, core, store));
  const decide: ConstructorParameters<typeof MqttServer>[0]['decide'] = (packet, connection) =>
    decideIdentity(core, packet, connection, { identity: (id) => identities.find(id), cures });
  const mqtt = new MqttServer({ core, decide, store: router, log }, certificate, settingsOf(options));
  return { core, identities, clients, store, router, reported, mqtt, handlers, failed: store.failed };
}

function reportedSync(options: BrokerOptions, send: NonNullable<BrokerOptions['onReported']>, core: Core, store: QueueStore): ReportedSync {
  const { deviceId, log, retryMs = defaultRetryMs, reportEveryMs = 1_000 } = options;
  const current = (moduleId: string): ReportedNow | undefined => {
    const id = identityId(deviceId, moduleId);
    const identity = getIdentity(core.db, id);
    return identity && { generationId: identity.generationId, properties: core.twinStore.load(id).reported.properties };
  };
  const sync = new ReportedSync({ store, current, send, log, retryMs, paceMs: reportEveryMs });
  core.twins.onChange(({ kind, moduleId }) => {
    if (kind === 'reported' && moduleId !== undefined) sync.changed(moduleId);
  });
  return sync;
}

export const settingsOf = ({ listen }: BrokerOptions): MqttSettings => ({
  listen: listen.address,
  port: listen.mqttPort ?? 8883,
  connectWithinMs: 10_000,
  portSetting: 'modules.broker.listen in dragoman.yaml',
});
