import type { DatabaseSync } from '../database.ts';
import type { MessageQueue } from '../messages/queue.ts';
import {
  edgeModules,
  getIdentity,
  type Identity,
  identityId,
  insertEdgeModules,
  insertIdentity,
  isIdentityId,
  listDevices,
  listModules,
  removeDevice,
  updateIdentity,
} from '../registry.ts';
import type { BackEndWrite, SectionWrite, TwinStore } from '../twins.ts';
import { wantedAuthentication } from './authentication.ts';
import type { Commits } from './commits.ts';
import type {
  Identities,
  IdentityChange,
  IdentityDocument,
  IdentityInput,
  IdentityName,
  IfMatch,
  JsonObject,
  TwinPatch,
} from './contract.ts';
import { identityDocument } from './documents.ts';
import type { Links } from './links.ts';
import { Listeners } from './listeners.ts';
import { RequestError } from './request-error.ts';

/** Most modules of one device. */
const maxModules = 50;

/** Devices and modules, as REST sees them. */
export class HubIdentities implements Identities {
  readonly #db: DatabaseSync;
  readonly #commits: Commits;
  readonly #links: Links;
  readonly #twins: TwinStore;
  readonly #queue: MessageQueue;
  readonly #changes = new Listeners<IdentityChange>();

  constructor(parts: { db: DatabaseSync; commits: Commits; links: Links; twins: TwinStore; queue: MessageQueue }) {
    this.#db = parts.db;
    this.#commits = parts.commits;
    this.#links = parts.links;
    this.#twins = parts.twins;
    this.#queue = parts.queue;
  }

  get({ deviceId, moduleId }: IdentityName): IdentityDocument | undefined {
    const found = getIdentity(this.#db, identityId(deviceId, moduleId));
    return found && this.#document(found);
  }

  listDevices(page: { readonly top?: number; readonly after?: string } = {}): readonly IdentityDocument[] {
    const counts = this.#queue.counts();
    return listDevices(this.#db, page).map((device) => this.#document(device, counts.get(device.id) ?? 0));
  }

  listModules(deviceId: string): readonly IdentityDocument[] {
    return listModules(this.#db, deviceId).map((module) => this.#document(module, 0));
  }

  statistics(): { readonly totalDeviceCount: number; readonly enabledDeviceCount: number; readonly disabledDeviceCount: number } {
    const row = this.#db
      .prepare("SELECT count(*) AS total, count(*) FILTER (WHERE status = 'enabled') AS enabled FROM identities WHERE module_id IS NULL")
      .get() as { total: number; enabled: number };
    return { totalDeviceCount: row.total, enabledDeviceCount: row.enabled, disabledDeviceCount: row.total - row.enabled };
  }

  /** What says of a name that it is nobody's; for others to throw. */
  mustExist({ deviceId, moduleId }: IdentityName): Identity {
    const found = getIdentity(this.#db, identityId(deviceId, moduleId));
    if (found) return found;
    if (moduleId === undefined || !getIdentity(this.#db, deviceId))
      throw new RequestError('DeviceNotFound', `there is no device ${deviceId}`);
    throw new RequestError('ModuleNotFound', `device ${deviceId} has no module ${moduleId}`);
  }

  async create(input: IdentityInput, twin?: TwinPatch): Promise<IdentityDocument> {
    const made = await this.#commits.run(() => this.createNow(input, twin));
    this.announce(undefined, made);
    return this.#document(made);
  }

  /** Inside a commit of the caller; nobody is told. */
  createNow(input: IdentityInput, twin?: TwinPatch): Identity {
    const { deviceId, moduleId } = input;
    mayBeNamed(input);
    if (moduleId !== undefined) {
      const device = this.mustExist({ deviceId });
      if (moduleId.startsWith('$') && !(device.edge && edgeModules.includes(moduleId))) throw reservedName(moduleId);
      if (listModules(this.#db, deviceId).length >= maxModules) {
        throw new RequestError('ArgumentInvalid', `device ${deviceId} has ${maxModules} modules already`);
      }
    }
    const authentication = wantedAuthentication(input.authentication, undefined);
    const edge = moduleId === undefined && input.capabilities?.iotEdge === true;
    const { status, statusReason } = moduleId === undefined ? wantedStatus(input) : {};
    const added = insertIdentity(this.#db, {
      deviceId,
      moduleId,
      authentication,
      edge,
      ...(status && { status }),
      ...(typeof statusReason === 'string' && { statusReason }),
      ...(input.managedBy !== undefined && { managedBy: String(input.managedBy) }),
    });
    if (!added) {
      throw moduleId === undefined
        ? new RequestError('DeviceAlreadyExists', `device ${deviceId} exists already`)
        : new RequestError('ModuleAlreadyExistsOnDevice', `module ${moduleId} of device ${deviceId} exists already`);
    }
    const id = identityId(deviceId, moduleId);
    this.#twins.save(this.#twins.load(id));
    if (twin) this.#twins.write(id, writeOf(twin, 'replace'));
    if (edge) this.#addEdgeModules(deviceId);
    return this.mustExist(input);
  }

  async update(input: IdentityInput, ifMatch?: IfMatch): Promise<IdentityDocument> {
    const { before, after } = await this.#commits.run(() => this.updateNow(input, ifMatch));
    this.announce(before, after);
    return this.#document(after);
  }

  /** Tells of an identity that is on disk now; links that it does not allow any more end. */
  announce(before: Identity | undefined, after: Identity): void {
    this.#tell(before ? 'updated' : 'created', after);
    if (after.edge && !before?.edge) for (const moduleId of edgeModules) this.#tell('created', { deviceId: after.deviceId, moduleId });
    if (before) this.#endLinks(before, after);
  }

  /** Inside a commit of the caller; nobody is told, and connections stay. */
  updateNow(input: IdentityInput, ifMatch?: IfMatch): { readonly before: Identity; readonly after: Identity } {
    const before = this.mustExist(input);
    mustMatch(before.etag, ifMatch);
    const { status = before.status, statusReason } = before.moduleId === undefined ? wantedStatus(input) : {};
    const edge = before.moduleId === undefined ? (input.capabilities?.iotEdge ?? before.edge) : false;
    updateIdentity(this.#db, {
      ...before,
      status,
      statusReason: statusReason === undefined ? before.statusReason : (statusReason ?? undefined),
      statusMs: status === before.status ? before.statusMs : Date.now(),
      authentication: wantedAuthentication(input.authentication, before.authentication),
      edge,
      managedBy: input.managedBy ?? before.managedBy,
    });
    if (edge && !before.edge) this.#addEdgeModules(before.deviceId);
    return { before, after: this.mustExist(input) };
  }

  async delete(name: IdentityName, ifMatch?: IfMatch): Promise<void> {
    const gone = await this.#commits.run(() => {
      const before = this.mustExist(name);
      mustMatch(before.etag, ifMatch);
      const modules = before.moduleId === undefined ? listModules(this.#db, before.deviceId) : [];
      removeDevice(this.#db, before.id);
      return [...modules, before];
    });
    for (const { id, deviceId, moduleId } of gone) {
      this.#links.get(id)?.end('the identity was deleted');
      this.#tell('deleted', { deviceId, moduleId });
    }
  }

  onChange(listener: (change: IdentityChange) => void): Disposable {
    return this.#changes.add(listener);
  }

  #addEdgeModules(deviceId: string): void {
    insertEdgeModules(this.#db, deviceId);
    for (const moduleId of edgeModules) {
      const id = identityId(deviceId, moduleId);
      this.#twins.save(this.#twins.load(id));
    }
  }

  /** Whoever came in by what does not count any more goes out. */
  #endLinks(before: Identity, after: Identity): void {
    const same = JSON.stringify(before.authentication) === JSON.stringify(after.authentication);
    if (!same) this.#links.get(after.id)?.end('its keys or certificates were changed');
    if (after.status === 'enabled') return;
    for (const { id } of [after, ...listModules(this.#db, after.deviceId)]) this.#links.get(id)?.end('the device was disabled');
  }

  #document(identity: Identity, messageCount = this.#queue.count(identity.id)): IdentityDocument {
    return identityDocument(identity, { connected: this.#links.get(identity.id) !== undefined, messageCount });
  }

  #tell(kind: IdentityChange['kind'], { deviceId, moduleId }: IdentityName): void {
    this.#changes.tell({ kind, deviceId, ...(moduleId !== undefined && { moduleId }) });
  }
}

/** Undefined and `*` match everything. */
export function mustMatch(etag: string, ifMatch: IfMatch): void {
  if (ifMatch === undefined || ifMatch === '*' || ifMatch === etag) return;
  throw new RequestError('PreconditionFailed', `it was changed in the meantime: its etag is ${etag}, not ${ifMatch}`);
}

/** Tags and desired properties of a document as sections to write; `null` empties one. */
export function writeOf({ tags, properties }: TwinPatch, how: SectionWrite['how']): BackEndWrite {
  const section = (given: JsonObject | null): SectionWrite =>
    given === null ? { how: 'replace', properties: {} } : { how, properties: given };
  const desired = properties?.desired;
  return { ...(tags !== undefined && { tags: section(tags) }), ...(desired !== undefined && { desired: section(desired) }) };
}

function mayBeNamed({ deviceId, moduleId }: IdentityName): void {
  for (const id of moduleId === undefined ? [deviceId] : [deviceId, moduleId]) {
    if (typeof id === 'string' && isIdentityId(id)) continue;
    throw new RequestError(
      'ArgumentInvalid',
      `${JSON.stringify(id)} cannot be an id: use 1 to 128 letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '`,
    );
  }
}

const reservedName = (moduleId: string): RequestError =>
  new RequestError(
    'ArgumentInvalid',
    `${moduleId} cannot be made: $edgeAgent and $edgeHub come with a device whose capabilities say iotEdge, and other names do not begin with $`,
  );

function wantedStatus({ status, statusReason }: IdentityInput): Pick<IdentityInput, 'status' | 'statusReason'> {
  if (status !== undefined && status !== 'enabled' && status !== 'disabled') {
    throw new RequestError('ArgumentInvalid', 'the status is "enabled" or "disabled"');
  }
  if (typeof statusReason === 'string' && statusReason.length > 128) {
    throw new RequestError('ArgumentInvalid', 'the reason of the status has at most 128 characters');
  }
  return { ...(status !== undefined && { status }), ...(statusReason !== undefined && { statusReason }) };
}
