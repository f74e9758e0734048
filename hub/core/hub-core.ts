import type { DatabaseSync } from '../database.ts';
import { HubDeployments } from '../deployments/hub-deployments.ts';
import { ConfigurationStore } from '../deployments/store.ts';
import { type HubLog, silentLog } from '../log.ts';
import { moduleInputs } from '../messages/inputs.ts';
import { MessageDelivery } from '../messages/messages.ts';
import { MessageQueue } from '../messages/queue.ts';
import { DirectMethods } from '../methods/methods.ts';
import { proveIdentity } from '../mqtt/connect.ts';
import { getIdentity, listAuthorities, writeActivity } from '../registry.ts';
import { parseSas } from '../sas.ts';
import { Sessions } from '../sessions.ts';
import { refusal, type TwinAnswer, TwinStore } from '../twins.ts';
import { Commits } from './commits.ts';
import type { DeviceShown, HubCore, IdentityName, ModuleInputs, PolicyLookup } from './contract.ts';
import { TelemetryEvents } from './events.ts';
import { HubIdentities } from './identities.ts';
import { Links } from './links.ts';
import { HubTwins } from './twins.ts';

export interface CoreSettings {
  readonly folder: string;
  readonly db: DatabaseSync;
  readonly policies: PolicyLookup;
  readonly isOurName: (host: string) => boolean;
  /** Default: none. */
  readonly log?: HubLog;
}

const checkEveryMs = 1_000;
const tidyEveryMs = 60_000;
/** A lastActivityTime is at most this late. */
const activityEveryMs = 15_000;

/** The hub without its listeners: what the device side and the service side share. */
export class Core implements HubCore, Disposable {
  readonly db: DatabaseSync;
  readonly commits: Commits;
  readonly links = new Links();
  readonly identities: HubIdentities;
  readonly twins: HubTwins;
  readonly methods: DirectMethods;
  readonly messages: MessageDelivery;
  readonly feedback: MessageDelivery;
  readonly inputs: ModuleInputs;
  readonly events: TelemetryEvents;
  readonly deployments: HubDeployments;
  readonly policies: PolicyLookup;
  readonly isOurName: (host: string) => boolean;
  readonly twinStore: TwinStore;
  readonly sessions: Sessions;
  readonly #active = new Map<string, number>();
  readonly #timers: readonly NodeJS.Timeout[];

  constructor({ folder, db, policies, isOurName, log = silentLog }: CoreSettings) {
    this.db = db;
    this.policies = policies;
    this.isOurName = isOurName;
    this.commits = new Commits(db);
    this.twinStore = new TwinStore(db);
    this.sessions = new Sessions(db, this.commits);
    const queue = new MessageQueue(db);
    const parts = { db, commits: this.commits, links: this.links, twins: this.twinStore, queue };
    this.identities = new HubIdentities(parts);
    this.twins = new HubTwins({ ...parts, identities: this.identities });
    this.methods = new DirectMethods(this.links, (name) => this.identities.mustExist(name));
    this.messages = new MessageDelivery(queue, this.commits, this.links, (deviceId) => this.identities.mustExist({ deviceId }));
    this.feedback = this.messages;
    this.inputs = moduleInputs(this.links);
    this.events = new TelemetryEvents(folder, db, (id) => this.twinStore.load(id).modelId);
    this.deployments = new HubDeployments({
      ...{ db, log, commits: this.commits, twinStore: this.twinStore },
      ...{ identities: this.identities, twins: this.twins, store: new ConfigurationStore(db) },
    });
    const every = (ms: number, work: () => void): NodeJS.Timeout =>
      setInterval(() => {
        try {
          work();
        } catch (error) {
          // A full disk or a long lock: the next turn does it.
          log.debug({ reason: (error as Error).message }, 'housekeeping waits for its next turn');
        }
      }, ms);
    this.#timers = [
      every(checkEveryMs, () => this.messages.check(Date.now())),
      every(tidyEveryMs, () => this.messages.forgetOldFeedback(Date.now())),
      every(activityEveryMs, () => this.#writeActivity()),
    ];
  }

  proveDevice(deviceId: string, { token, certificates }: DeviceShown): string | undefined {
    const device = getIdentity(this.db, deviceId);
    if (device?.moduleId !== undefined || device?.status !== 'enabled')
      return `there is no device ${deviceId} that is enabled, or it is not the one that asks`;
    if (device.authentication.type === 'sas' && token === undefined)
      return `device ${deviceId} proves itself by a token, and there is none`;
    const proof = proveIdentity(token === undefined ? undefined : parseSas(token), device, {
      isOurName: this.isOurName,
      certificates,
      authorities: () => listAuthorities(this.db).map(({ pem }) => pem),
      nowMs: Date.now(),
    });
    return typeof proof === 'string' ? proof : undefined;
  }

  /** An identity sent something. */
  active(id: string): void {
    this.#active.set(id, Date.now());
  }

  /** For the device itself. It always gets an answer: one that never comes would hang its SDK. */
  async readTwin(id: string): Promise<TwinAnswer> {
    // Among the writes, so that a device reads what it reported just before.
    return this.commits.run(() => this.twinStore.read(id)).catch(refusal);
  }

  async patchReported(id: string, payload: string, expected: string | undefined): Promise<TwinAnswer> {
    try {
      const twin = await this.commits.run(() => this.twinStore.patchReported(id, payload, expected));
      this.twins.reported(nameOf(id), twin.version);
      return { status: 204, version: twin.reported.version, body: '' };
    } catch (error) {
      return refusal(error);
    }
  }

  /** Before the registry's file is closed. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.methods[Symbol.dispose]();
    this.deployments[Symbol.dispose]();
    this.commits.flush();
    try {
      this.#writeActivity();
    } catch {
      // What is lost is a time.
    }
    this.events[Symbol.dispose]();
  }

  #writeActivity(): void {
    if (this.#active.size === 0) return;
    writeActivity(this.db, this.#active);
    this.#active.clear();
  }
}

function nameOf(id: string): IdentityName {
  const [deviceId = '', moduleId] = id.split('/');
  return moduleId === undefined ? { deviceId } : { deviceId, moduleId };
}
