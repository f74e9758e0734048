import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { read } from './certificate-chain.ts';
import { type DatabaseSync, type StatementSync, transaction } from './database.ts';
import { afterFix } from './error.ts';

export { openRegistry } from './registry-schema.ts';

/** How an identity proves who it is; the words are IoT Hub's. */
export type Authentication =
  | { readonly type: 'sas'; readonly primaryKey: string; readonly secondaryKey: string }
  | { readonly type: 'selfSigned'; readonly primaryThumbprint: string; readonly secondaryThumbprint: string }
  /** By a certificate of a CA that the hub knows, whose common name is the device id. */
  | { readonly type: 'certificateAuthority' }
  | { readonly type: 'none' };

/** A device, or a module of one. */
export interface Identity {
  /** The MQTT client id: `gw-1`, `gw-1/filter`. */
  readonly id: string;
  readonly deviceId: string;
  readonly moduleId: string | undefined;
  /** Changes when an identity is deleted and created again. */
  readonly generationId: string;
  /** Base64; changes with every change of the identity. */
  readonly etag: string;
  /** Of a module: always enabled; its device decides. */
  readonly status: 'enabled' | 'disabled';
  readonly statusReason: string | undefined;
  readonly statusMs: number | undefined;
  readonly authentication: Authentication;
  readonly edge: boolean;
  readonly managedBy: string | undefined;
  readonly createdMs: number;
  /** Epoch milliseconds since when it is connected; undefined while it is not. */
  readonly connectedSinceMs: number | undefined;
  /** When that last changed. */
  readonly connectionMs: number | undefined;
  readonly lastActivityMs: number | undefined;
}
export type Device = Identity;

export const identityId = (deviceId: string, moduleId: string | undefined): string =>
  moduleId === undefined ? deviceId : `${deviceId}/${moduleId}`;

/** Ids as IoT Hub allows them: up to 128 ASCII characters, letters, digits and `- . + % _ # * ? ! ( ) , : = @ $ '`. */
const idForm = /^[A-Za-z0-9\-.+%_#*?!(),:=@$']{1,128}$/;
const thumbprintForm = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

export const isIdentityId = (text: string): boolean => idForm.test(text);

/** SHA-1 or SHA-256 thumbprint as hex; colons and upper case as openssl prints them are fine. */
export function normalThumbprint(text: string): string {
  const plain = text.trim().replaceAll(/[:\s]/g, '').toLowerCase();
  if (!thumbprintForm.test(plain)) {
    throw afterFix(
      'thumbprint',
      `"${text}" is not a certificate thumbprint`,
      'give 40 (SHA-1) or 64 (SHA-256) hex digits: openssl x509 -in device.pem -noout -fingerprint -sha256',
    );
  }
  return plain;
}

export interface WantedDevice {
  readonly thumbprint?: string | undefined;
  /** An IoT Edge device: with `$edgeAgent` and `$edgeHub`. */
  readonly edge?: boolean | undefined;
}

/** A device with two fresh keys, or with a thumbprint. */
export function addDevice(db: DatabaseSync, deviceId: string, wanted: WantedDevice = {}): Identity {
  if (!isIdentityId(deviceId)) {
    throw afterFix(
      'device-id',
      `"${deviceId}" cannot be a device id`,
      "use 1 to 128 letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '",
    );
  }
  const authentication: Authentication =
    wanted.thumbprint === undefined
      ? { type: 'sas', primaryKey: freshKey(), secondaryKey: freshKey() }
      : { type: 'selfSigned', primaryThumbprint: normalThumbprint(wanted.thumbprint), secondaryThumbprint: '' };
  if (!insertIdentity(db, { deviceId, authentication })) {
    throw afterFix('device-exists', `device ${deviceId} exists already`, `see it with: dragoman hub device show ${deviceId}`);
  }
  if (wanted.edge) makeEdge(db, deviceId);
  return getDevice(db, deviceId) as Identity;
}

/** The runtime of an edge device: there from its beginning, and not to be deleted. */
export const edgeModules: readonly string[] = ['$edgeAgent', '$edgeHub'];

/** Makes a device that is there an IoT Edge device; false when there is none. Keys and everything else stay. */
export function makeEdge(db: DatabaseSync, deviceId: string): boolean {
  return transaction(db, () => {
    const { changes } = db
      .prepare('UPDATE identities SET edge = 1, etag = ? WHERE id = ? AND module_id IS NULL')
      .run(freshEtag(), deviceId);
    if (changes > 0) insertEdgeModules(db, deviceId);
    return changes > 0;
  });
}

/** Those that are not there yet, with fresh keys. */
export function insertEdgeModules(db: DatabaseSync, deviceId: string): void {
  for (const moduleId of edgeModules) {
    const authentication = { type: 'sas', primaryKey: freshKey(), secondaryKey: freshKey() } as const;
    insertIdentity(db, { deviceId, moduleId, authentication, managedBy: 'IotEdge' });
  }
}

export type NewIdentity = Pick<Identity, 'deviceId' | 'authentication'> &
  Partial<Pick<Identity, 'moduleId' | 'generationId' | 'status' | 'statusReason' | 'edge' | 'managedBy'>>;

/** False when it is there. */
export function insertIdentity(db: DatabaseSync, made: NewIdentity): boolean {
  const [primary, secondary] = secretsOf(made.authentication);
  return (
    db
      .prepare(
        `INSERT OR IGNORE INTO identities (id, device_id, module_id, generation_id, etag, status, status_reason, auth_type,
         primary_secret, secondary_secret, edge, managed_by, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        identityId(made.deviceId, made.moduleId),
        made.deviceId,
        made.moduleId ?? null,
        made.generationId ?? randomUUID(),
        freshEtag(),
        made.status ?? 'enabled',
        made.statusReason ?? null,
        made.authentication.type,
        primary,
        secondary,
        made.edge ? 1 : 0,
        made.managedBy ?? null,
        Date.now(),
      ).changes > 0
  );
}

/** Writes what may change in an identity, under a new etag. */
export function updateIdentity(db: DatabaseSync, identity: Identity): void {
  const [primary, secondary] = secretsOf(identity.authentication);
  db.prepare(
    `UPDATE identities SET etag = ?, status = ?, status_reason = ?, status_ms = ?, auth_type = ?, primary_secret = ?,
     secondary_secret = ?, edge = ?, managed_by = ? WHERE id = ?`,
  ).run(
    freshEtag(),
    identity.status,
    identity.statusReason ?? null,
    identity.statusMs ?? null,
    identity.authentication.type,
    primary,
    secondary,
    identity.edge ? 1 : 0,
    identity.managedBy ?? null,
    identity.id,
  );
}

/** 256 bits, base64. */
export const freshKey = (): string => randomBytes(32).toString('base64');
/** Random, so that an etag of an identity that was deleted never fits its successor. */
export const freshEtag = (): string => Buffer.from(String(randomInt(2 ** 40))).toString('base64');

function secretsOf(authentication: Authentication): readonly [string, string] {
  if (authentication.type === 'sas') return [authentication.primaryKey, authentication.secondaryKey];
  return authentication.type === 'selfSigned' ? [authentication.primaryThumbprint, authentication.secondaryThumbprint] : ['', ''];
}

/** By its client id: a device's id, or `device/module`. */
export function getIdentity(db: DatabaseSync, id: string): Identity | undefined {
  let select = selects.get(db);
  if (!select) {
    select = db.prepare('SELECT * FROM identities WHERE id = ?');
    selects.set(db, select);
  }
  const row = select.get(id);
  return row && toIdentity(row);
}

/** It is asked for every device and module again and again. */
const selects = new WeakMap<DatabaseSync, StatementSync>();

export const getDevice = getIdentity;

export function listDevices(db: DatabaseSync, { top = -1, after = '' }: { top?: number; after?: string } = {}): readonly Identity[] {
  return db.prepare('SELECT * FROM identities WHERE module_id IS NULL AND id > ? ORDER BY id LIMIT ?').all(after, top).map(toIdentity);
}

/** All modules of one device, or of all. */
export function listModules(db: DatabaseSync, deviceId?: string): readonly Identity[] {
  const rows =
    deviceId === undefined
      ? db.prepare('SELECT * FROM identities WHERE module_id IS NOT NULL ORDER BY device_id, module_id').all()
      : db.prepare('SELECT * FROM identities WHERE device_id = ? AND module_id IS NOT NULL ORDER BY module_id').all(deviceId);
  return rows.map(toIdentity);
}

function toIdentity(row: Record<string, unknown>): Identity {
  const number = (name: string): number | undefined => (row[name] as number | null) ?? undefined;
  const text = (name: string): string | undefined => (row[name] as string | null) ?? undefined;
  return {
    id: row.id as string,
    deviceId: row.device_id as string,
    moduleId: text('module_id'),
    generationId: row.generation_id as string,
    etag: row.etag as string,
    status: row.status as Identity['status'],
    statusReason: text('status_reason'),
    statusMs: number('status_ms'),
    authentication: toAuthentication(row),
    edge: row.edge === 1,
    managedBy: text('managed_by'),
    createdMs: row.created_ms as number,
    connectedSinceMs: number('connected_since_ms'),
    connectionMs: number('connection_ms'),
    lastActivityMs: number('last_activity_ms'),
  };
}

function toAuthentication(row: Record<string, unknown>): Authentication {
  const [primary, secondary] = [row.primary_secret as string, row.secondary_secret as string];
  const type = row.auth_type as Authentication['type'];
  if (type === 'sas') return { type, primaryKey: primary, secondaryKey: secondary };
  return type === 'selfSigned' ? { type, primaryThumbprint: primary, secondaryThumbprint: secondary } : { type };
}

/** False when there is no such device. A hub that runs drops the device's connection within a second. */
export function setStatus(db: DatabaseSync, deviceId: string, status: Identity['status']): boolean {
  return (
    db
      .prepare('UPDATE identities SET status = ?, status_ms = ?, etag = ? WHERE id = ? AND module_id IS NULL')
      .run(status, Date.now(), freshEtag(), deviceId).changes > 0
  );
}

/** Takes an identity away with its modules, session, twin and waiting messages; telemetry stays. False when it was not there. */
export function removeDevice(db: DatabaseSync, id: string): boolean {
  return db.prepare('DELETE FROM identities WHERE id = ?').run(id).changes > 0;
}

/** Connection states, many at once; `undefined` is "not connected". */
export function writeConnectionStates(db: DatabaseSync, states: ReadonlyMap<string, number | undefined>, nowMs = Date.now()): void {
  transaction(db, () => {
    const update = db.prepare('UPDATE identities SET connected_since_ms = ?, connection_ms = ?, last_activity_ms = ? WHERE id = ?');
    for (const [id, sinceMs] of states) update.run(sinceMs ?? null, nowMs, nowMs, id);
  });
}

/** When identities were last heard of, many at once. */
export function writeActivity(db: DatabaseSync, times: ReadonlyMap<string, number>): void {
  transaction(db, () => {
    const update = db.prepare('UPDATE identities SET last_activity_ms = ? WHERE id = ?');
    for (const [id, ms] of times) update.run(ms, id);
  });
}

/** A hub that starts knows of nobody connected, however its predecessor ended. */
export function forgetConnections(db: DatabaseSync): void {
  db.exec('UPDATE identities SET connected_since_ms = NULL WHERE connected_since_ms IS NOT NULL');
}

/** A certificate authority whose certificates identities of type `certificateAuthority` may show. */
export interface Authority {
  readonly name: string;
  readonly pem: string;
}

export function listAuthorities(db: DatabaseSync): readonly Authority[] {
  return db.prepare('SELECT name, pem FROM authorities ORDER BY name').all() as unknown as readonly Authority[];
}

/** Takes the place of one of the same name. Throws HubError when it is no certificate of a CA. */
export function addAuthority(db: DatabaseSync, name: string, pem: string): void {
  if (read(pem)?.ca !== true) {
    throw afterFix(
      'authority',
      `"${name}" is not the certificate of a certificate authority`,
      'give a PEM file whose basic constraints say CA:TRUE',
    );
  }
  db.prepare('INSERT OR REPLACE INTO authorities VALUES (?, ?)').run(name, pem);
}

/** False when there was none of this name. */
export function removeAuthority(db: DatabaseSync, name: string): boolean {
  return db.prepare('DELETE FROM authorities WHERE name = ?').run(name).changes > 0;
}
