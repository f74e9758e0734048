import { randomBytes, randomUUID } from 'node:crypto';
import { type DatabaseSync, openDatabase, transaction } from './database.ts';
import { afterFix } from './error.ts';
import { hubFiles, makeFolder } from './folder.ts';

/** How an identity proves who it is; the words are IoT Hub's. */
export type Authentication =
  | { readonly type: 'sas'; readonly primaryKey: string; readonly secondaryKey: string }
  | { readonly type: 'selfSigned'; readonly primaryThumbprint: string; readonly secondaryThumbprint: string };

export interface Device {
  readonly deviceId: string;
  /** Changes when an identity is deleted and created again. */
  readonly generationId: string;
  readonly status: 'enabled' | 'disabled';
  readonly authentication: Authentication;
  readonly createdMs: number;
  /** Epoch milliseconds since when it is connected; undefined while it is not. */
  readonly connectedSinceMs: number | undefined;
  readonly lastActivityMs: number | undefined;
}

const schema = `
  CREATE TABLE IF NOT EXISTS devices (
    device_id TEXT PRIMARY KEY, generation_id TEXT NOT NULL, status TEXT NOT NULL, auth_type TEXT NOT NULL,
    primary_secret TEXT NOT NULL, secondary_secret TEXT NOT NULL, created_ms INTEGER NOT NULL,
    connected_since_ms INTEGER, last_activity_ms INTEGER) STRICT;
  CREATE TABLE IF NOT EXISTS sessions (
    device_id TEXT PRIMARY KEY REFERENCES devices ON DELETE CASCADE, subscriptions TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS twins (
    device_id TEXT PRIMARY KEY REFERENCES devices ON DELETE CASCADE,
    desired TEXT NOT NULL, desired_version INTEGER NOT NULL, reported TEXT NOT NULL, reported_version INTEGER NOT NULL) STRICT;
`;

/** Opens the file of identities, sessions and twins; it may be open in several processes at once. */
export function openRegistry(folder: string): DatabaseSync {
  makeFolder(folder);
  return openDatabase(hubFiles(folder).registry, schema);
}

/** Ids as IoT Hub allows them: up to 128 ASCII characters, letters, digits and `- . + % _ # * ? ! ( ) , : = @ $ '`. */
const deviceIdForm = /^[A-Za-z0-9\-.+%_#*?!(),:=@$']{1,128}$/;
const thumbprintForm = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

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

export function addDevice(db: DatabaseSync, deviceId: string, wanted: { thumbprint?: string } = {}): Device {
  if (!deviceIdForm.test(deviceId)) {
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
  const [primary, secondary] =
    authentication.type === 'sas'
      ? [authentication.primaryKey, authentication.secondaryKey]
      : [authentication.primaryThumbprint, authentication.secondaryThumbprint];
  const added = db
    .prepare('INSERT OR IGNORE INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)')
    .run(deviceId, randomUUID(), 'enabled', authentication.type, primary, secondary, Date.now());
  if (added.changes === 0) {
    throw afterFix('device-exists', `device ${deviceId} exists already`, `see it with: dragoman hub device show ${deviceId}`);
  }
  return getDevice(db, deviceId) as Device;
}

const freshKey = (): string => randomBytes(32).toString('base64');

export function getDevice(db: DatabaseSync, deviceId: string): Device | undefined {
  const row = db.prepare('SELECT * FROM devices WHERE device_id = ?').get(deviceId);
  return row && toDevice(row);
}

export function listDevices(db: DatabaseSync): readonly Device[] {
  return db.prepare('SELECT * FROM devices ORDER BY device_id').all().map(toDevice);
}

function toDevice(row: Record<string, unknown>): Device {
  const [primary, secondary] = [row.primary_secret as string, row.secondary_secret as string];
  return {
    deviceId: row.device_id as string,
    generationId: row.generation_id as string,
    status: row.status as Device['status'],
    authentication:
      row.auth_type === 'sas'
        ? { type: 'sas', primaryKey: primary, secondaryKey: secondary }
        : { type: 'selfSigned', primaryThumbprint: primary, secondaryThumbprint: secondary },
    createdMs: row.created_ms as number,
    connectedSinceMs: (row.connected_since_ms as number | null) ?? undefined,
    lastActivityMs: (row.last_activity_ms as number | null) ?? undefined,
  };
}

/** False when there is no such device. A hub that runs drops the device's connection within a second. */
export function setStatus(db: DatabaseSync, deviceId: string, status: Device['status']): boolean {
  return db.prepare('UPDATE devices SET status = ? WHERE device_id = ?').run(status, deviceId).changes > 0;
}

/** Takes identity, session and twin away; telemetry stays. False when there was no such device. */
export function removeDevice(db: DatabaseSync, deviceId: string): boolean {
  return db.prepare('DELETE FROM devices WHERE device_id = ?').run(deviceId).changes > 0;
}

/** Connection states, many at once; `undefined` is "not connected". */
export function writeConnectionStates(db: DatabaseSync, states: ReadonlyMap<string, number | undefined>, nowMs = Date.now()): void {
  transaction(db, () => {
    const update = db.prepare('UPDATE devices SET connected_since_ms = ?, last_activity_ms = ? WHERE device_id = ?');
    for (const [deviceId, sinceMs] of states) update.run(sinceMs ?? null, nowMs, deviceId);
  });
}

/** A hub that starts knows of nobody connected, however its predecessor ended. */
export function forgetConnections(db: DatabaseSync): void {
  db.exec('UPDATE devices SET connected_since_ms = NULL WHERE connected_since_ms IS NOT NULL');
}
