import { isTwinObject } from '../../twin/section.ts';
import type { IdentityChange, IfMatch, TwinChange } from '../core/contract.ts';
import { mustMatch } from '../core/identities.ts';
import { RequestError } from '../core/request-error.ts';
import { freshEtag } from '../registry.ts';
import { type Compiled, compile } from './compiled.ts';
import type { Configuration, ConfigurationDocument, Deployments, QueriesTest } from './contract.ts';
import { Measuring } from './metrics.ts';
import { Reconciler, type ReconcilerParts } from './reconciler.ts';
import type { RolloutAction } from './rollout/contract.ts';
import { Rollouts } from './rollout/rollouts.ts';

/** A hub has at most so many; the service has 100. */
const mostConfigurations = 100;
const lookAtFileEveryMs = 2_000;

export type HubDeploymentsParts = ReconcilerParts;

/** Configurations of this hub, on disk and in force. */
export class HubDeployments implements Deployments, Disposable {
  readonly #parts: HubDeploymentsParts;
  readonly #all = new Map<string, Compiled>();
  readonly #rollouts: Rollouts;
  readonly #reconciler: Reconciler;
  readonly #timer: NodeJS.Timeout;
  #fileVersion = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: HubDeploymentsParts) {
    this.#parts = parts;
    this.#rollouts = new Rollouts({
      ...parts,
      changed: (devices) => {
        if (devices === 'all') this.#reconciler.touchAll();
        else for (const deviceId of devices) this.#reconciler.touch(deviceId);
      },
    });
    this.#reconciler = new Reconciler(parts, (candidate, deviceId) => this.#rollouts.admits(candidate, deviceId));
    this.#load();
    this.#reconciler.use([...this.#all.values()]);
    parts.identities.onChange((change) => this.#identityChanged(change));
    parts.twins.onChange((change) => this.#twinChanged(change));
    this.#timer = setInterval(() => this.#lookAtFile(), lookAtFileEveryMs).unref();
    if (this.#all.size > 0) setImmediate(() => this.#everything());
  }

  get(id: string): ConfigurationDocument | undefined {
    const found = this.#all.get(id);
    return found && this.#document(found, new Measuring(this.#parts.twins));
  }

  list(top = mostConfigurations): readonly ConfigurationDocument[] {
    const measuring = new Measuring(this.#parts.twins);
    const ids = [...this.#all.keys()].toSorted().slice(0, top);
    return ids.map((id) => this.#document(this.#all.get(id) as Compiled, measuring));
  }

  create(id: string, body: unknown): Promise<ConfigurationDocument> {
    return this.#oneByOne(async () => {
      this.#mustBeNew(id);
      const { kind, ...input } = (await import('./read-input.ts')).readNew(id, body);
      const nowMs = this.#newest();
      const made: Configuration = { id, kind, createdMs: nowMs, updatedMs: nowMs, etag: freshEtag(), ...input };
      await this.#parts.commits.run(() => this.#parts.store.save(made));
      return this.#inForce(made, 'configuration created');
    });
  }

  update(id: string, body: unknown, ifMatch: IfMatch): Promise<ConfigurationDocument> {
    return this.#oneByOne(async () => {
      const before = this.#mustExist(id).configuration;
      mustMatch(before.etag, ifMatch);
      const input = (await import('./read-input.ts')).readChange(before, body);
      const after: Configuration = { ...before, ...input, updatedMs: Date.now(), etag: freshEtag() };
      const { rollout } = compile(after);
      await this.#parts.commits.run(() => {
        this.#parts.store.save(after);
        if (!rollout) this.#parts.store.saveRollout(id, undefined);
      });
      return this.#inForce(after, 'configuration changed');
    });
  }

  delete(id: string, ifMatch: IfMatch): Promise<void> {
    return this.#oneByOne(async () => {
      mustMatch(this.#mustExist(id).configuration.etag, ifMatch);
      await this.#parts.commits.run(() => this.#parts.store.remove(id));
      this.#all.delete(id);
      this.#rollouts.forget(id);
      this.#parts.log.info({ configuration: id }, 'configuration deleted');
      this.#reconciler.use([...this.#all.values()]);
      this.#everything();
    });
  }

  async testQueries(body: unknown): Promise<QueriesTest> {
    return (await import('./read-input.ts')).testQueries(body);
  }

  async applyContent(deviceId: string, body: unknown): Promise<void> {
    const { readOnce } = await import('./apply-once.ts');
    const wanted = readOnce(deviceId, isTwinObject(body) && body.content !== undefined ? body.content : body);
    const outcome = await this.#parts.commits.run(() => {
      const device = this.#parts.identities.mustExist({ deviceId });
      if (!device.edge)
        throw new RequestError(
          'ArgumentInvalid',
          `${deviceId} is no edge device, and modulesContent is for those: its capabilities.iotEdge must be true`,
        );
      const { standard } = this.#reconciler.assignment(device);
      if (standard) {
        throw new RequestError(
          'ConfigurationConflict',
          `device ${deviceId} is targeted by the automatic deployment ${standard.id}, which would undo this at once: change its target condition, or give the device to another deployment`,
        );
      }
      return this.#reconciler.writeModules(deviceId, wanted, (moduleId) => moduleId === '$edgeAgent' || moduleId === '$edgeHub');
    });
    this.#reconciler.tell(outcome);
    this.#parts.log.info({ device: deviceId }, 'a manifest was applied to one device');
  }

  async steer(id: string, action: RolloutAction): Promise<ConfigurationDocument> {
    this.#mustExist(id);
    await this.#rollouts.steer(id, action);
    // What is answered is what is in the twins.
    await this.#reconciler.settled();
    return this.#existing(id);
  }

  async settled(): Promise<void> {
    await this.#reconciler.settled();
    await this.#rollouts.look();
    await this.#reconciler.settled();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#rollouts[Symbol.dispose]();
    this.#reconciler.stop();
  }

  /** One that this version cannot read has no say; the others have. */
  #load(): void {
    for (const { configuration, rollout } of this.#parts.store.all()) {
      try {
        const compiled = compile(configuration);
        this.#all.set(compiled.id, compiled);
        this.#rollouts.use(compiled, rollout);
      } catch (error) {
        this.#parts.log.error(
          { configuration: configuration.id, reason: (error as Error).message },
          'a configuration cannot be read and is not in force; devices keep what they have of it',
        );
      }
    }
  }

  /** What is read, checked and written belongs together: the next change begins when this one is on disk. */
  #oneByOne<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => {});
    return done;
  }

  #inForce(configuration: Configuration, what: string): ConfigurationDocument {
    const compiled = compile(configuration);
    this.#all.set(compiled.id, compiled);
    this.#rollouts.use(compiled, undefined);
    const { id, priority, targetCondition } = configuration;
    this.#parts.log.info({ configuration: id, priority, targetCondition }, what);
    this.#reconciler.use([...this.#all.values()]);
    this.#everything();
    return this.#document(compiled, new Measuring(this.#parts.twins));
  }

  /** What is on disk may be behind what the configurations want: after a start, and after every change of them. */
  #everything(): void {
    void this.#rollouts.look();
    this.#reconciler.touchAll();
  }

  #identityChanged({ kind, deviceId, moduleId }: IdentityChange): void {
    if (this.#all.size === 0 || (kind === 'deleted' && moduleId === undefined)) return;
    this.#rollouts.touch();
    this.#reconciler.touch(deviceId);
  }

  #twinChanged({ kind, deviceId, moduleId }: TwinChange): void {
    if (this.#all.size === 0) return;
    if (kind === 'reported') {
      if (moduleId === '$edgeAgent' || moduleId === '$edgeHub') this.#rollouts.touch();
      const of = moduleId === undefined ? 'devices' : 'modules';
      if (![...this.#all.values()].some(({ target }) => target.of === of && target.asksReported)) return;
    }
    if (kind === 'desired' && this.#reconciler.telling) return;
    if (kind !== 'desired') this.#rollouts.touch();
    this.#reconciler.touch(deviceId);
  }

  /** The command line makes and changes devices in a process of its own, and tells nobody. */
  #lookAtFile(): void {
    this.#reconciler.retry();
    const version = Number(this.#parts.db.prepare('PRAGMA data_version').get()?.data_version);
    if (version === this.#fileVersion) return;
    const first = this.#fileVersion === 0;
    this.#fileVersion = version;
    if (!first && this.#all.size > 0) this.#everything();
  }

  /** Later than all others: the newest wins, also of two in the same millisecond. */
  #newest(): number {
    return Math.max(Date.now(), ...[...this.#all.values()].map(({ createdMs }) => createdMs + 1));
  }

  #mustBeNew(id: string): void {
    if (this.#all.has(id)) throw new RequestError('ConfigurationAlreadyExists', `configuration ${id} exists already`);
    if (this.#all.size < mostConfigurations) return;
    throw new RequestError('ArgumentInvalid', `there are ${mostConfigurations} configurations already: delete those that target nobody`);
  }

  #mustExist(id: string): Compiled {
    const found = this.#all.get(id);
    if (!found) throw new RequestError('ConfigurationNotFound', `there is no configuration ${id}`);
    return found;
  }

  #existing(id: string): ConfigurationDocument {
    return this.#document(this.#mustExist(id), new Measuring(this.#parts.twins));
  }

  #document(compiled: Compiled, measuring: Measuring): ConfigurationDocument {
    const { id, schemaVersion, labels, content, targetCondition, priority, createdMs, updatedMs, etag } = compiled.configuration;
    const rollout = this.#rollouts.document(id);
    return {
      ...{ id, schemaVersion, labels, content, targetCondition },
      createdTimeUtc: new Date(createdMs).toISOString(),
      lastUpdatedTimeUtc: new Date(updatedMs).toISOString(),
      priority,
      systemMetrics: measuring.system(compiled),
      metrics: measuring.custom(compiled),
      etag,
      ...(rollout && { rollout }),
    };
  }
}
