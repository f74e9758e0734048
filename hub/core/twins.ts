import type { TwinObject } from '../../twin/section.ts';
import type { DatabaseSync } from '../database.ts';
import type { MessageQueue } from '../messages/queue.ts';
import { getIdentity, type Identity, identityId, listDevices, listModules } from '../registry.ts';
import type { StoredTwin, TwinStore } from '../twins.ts';
import type { Commits } from './commits.ts';
import type { IdentityName, IfMatch, TwinChange, TwinDocument, TwinPatch, Twins } from './contract.ts';
import { twinDocument } from './documents.ts';
import { type HubIdentities, mustMatch, writeOf } from './identities.ts';
import type { Links } from './links.ts';
import { Listeners } from './listeners.ts';

/** What a write to a twin made of it. */
export interface WrittenTwin {
  readonly identity: Identity;
  readonly twin: StoredTwin;
  readonly kinds: readonly ('tags' | 'desired')[];
  /** What the device is to hear. */
  readonly notice: TwinObject | undefined;
}

/** How many twins are read in one go. */
const pageTwins = 200;

/** Twins as REST sees them, and the notices to those who are connected. */
export class HubTwins implements Twins {
  readonly #db: DatabaseSync;
  readonly #commits: Commits;
  readonly #links: Links;
  readonly #store: TwinStore;
  readonly #queue: MessageQueue;
  readonly #identities: HubIdentities;
  readonly #changes = new Listeners<TwinChange>();

  constructor(parts: {
    db: DatabaseSync;
    commits: Commits;
    links: Links;
    twins: TwinStore;
    queue: MessageQueue;
    identities: HubIdentities;
  }) {
    this.#db = parts.db;
    this.#commits = parts.commits;
    this.#links = parts.links;
    this.#store = parts.twins;
    this.#queue = parts.queue;
    this.#identities = parts.identities;
    this.#identities.onChange(({ kind, ...name }) => {
      if (kind === 'created') this.#changes.tell({ ...name, kind, version: 1 });
    });
  }

  get({ deviceId, moduleId }: IdentityName): TwinDocument | undefined {
    const identity = getIdentity(this.#db, identityId(deviceId, moduleId));
    return identity && this.#document(identity, this.#store.load(identity.id));
  }

  *all(of: 'devices' | 'modules'): Generator<TwinDocument> {
    const counts = this.#queue.counts();
    const document = (identity: Identity): TwinDocument =>
      this.#document(identity, this.#store.load(identity.id), counts.get(identity.id) ?? 0);
    if (of === 'modules') {
      for (const module of listModules(this.#db)) yield document(module);
      return;
    }
    for (let after = ''; ; ) {
      const page = listDevices(this.#db, { top: pageTwins, after });
      for (const device of page) yield document(device);
      if (page.length < pageTwins) return;
      after = (page.at(-1) as Identity).id;
    }
  }

  patch(name: IdentityName, patch: TwinPatch, ifMatch?: IfMatch): Promise<TwinDocument> {
    return this.#write(name, patch, ifMatch, 'patch');
  }

  replace(name: IdentityName, twin: TwinPatch, ifMatch?: IfMatch): Promise<TwinDocument> {
    return this.#write(name, twin, ifMatch, 'replace');
  }

  onChange(listener: (change: TwinChange) => void): Disposable {
    return this.#changes.add(listener);
  }

  /**
   * What another hub says is desired, whole, under its `$version`; whoever listens is told a merge patch. Resolves when it is on disk. 404 for
   * no identity, 400 and 413 for what cannot be.
   */
  async takeDesired(name: IdentityName, desired: TwinObject, version: number): Promise<void> {
    const { id, notice } = await this.#commits.run(() => {
      const { id } = this.#identities.mustExist(name);
      return { id, notice: this.#store.takeDesired(id, desired, version) };
    });
    this.#notify(id, notice);
  }

  /** After what a device reported is on disk. */
  reported(identity: IdentityName, version: number): void {
    this.#changes.tell({ ...identity, kind: 'reported', version });
  }

  async #write(name: IdentityName, given: TwinPatch, ifMatch: IfMatch, how: 'patch' | 'replace'): Promise<TwinDocument> {
    const written = await this.#commits.run(() => this.writeNow(name, given, how, ifMatch));
    this.announce(written);
    return this.#document(written.identity, written.twin);
  }

  /** Inside a commit of the caller; nobody is told before {@link announce}. */
  writeNow(name: IdentityName, given: TwinPatch, how: 'patch' | 'replace', ifMatch?: IfMatch): WrittenTwin {
    const write = writeOf(given, how);
    const identity = this.#identities.mustExist(name);
    mustMatch(this.#store.load(identity.id).etag, ifMatch);
    const kinds = (['tags', 'desired'] as const).filter((kind) => write[kind]);
    return { identity, kinds, ...this.#store.write(identity.id, write) };
  }

  /** Tells of a twin that is on disk now: the device, then those who listen. */
  announce({ identity, twin, kinds, notice }: WrittenTwin): void {
    this.#notify(identity.id, notice);
    const { deviceId, moduleId } = identity;
    for (const kind of kinds) this.#changes.tell({ deviceId, ...(moduleId !== undefined && { moduleId }), kind, version: twin.version });
  }

  /** Only to who is connected and listens: whoever is not reads the twin when it comes back. */
  #notify(id: string, notice: TwinObject | undefined): void {
    const link = this.#links.get(id);
    if (!notice || link?.listens('desired') === undefined) return;
    link.publish(`$iothub/twin/PATCH/properties/desired/?$version=${notice.$version}`, JSON.stringify(notice));
  }

  #document(identity: Identity, twin: StoredTwin, messageCount = this.#queue.count(identity.id)): TwinDocument {
    return twinDocument(identity, twin, { connected: this.#links.get(identity.id) !== undefined, messageCount });
  }
}
