import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from './database.ts';

/** What goes back on `$iothub/twin/res/{status}/?$rid=…`. */
export interface TwinAnswer {
  readonly status: number;
  /** The new reported version after a patch. */
  readonly version?: number;
  readonly body: string;
}

type Json = { [key: string]: unknown };

const maxSectionBytes = 32 * 1024;
const maxDepth = 10;

/** Both sections as the device sees them; a device without a twin yet has an empty one. */
export function readTwin(db: DatabaseSync, deviceId: string): TwinAnswer {
  const twin = load(db, deviceId);
  const body = {
    desired: { ...twin.desired, $version: twin.desiredVersion },
    reported: { ...twin.reported, $version: twin.reportedVersion },
  };
  return { status: 200, body: JSON.stringify(body) };
}

/** Merges a patch (RFC 7396) into the reported section, on disk when it returns. `expected` is the `$version` the device asks for. */
export function patchReported(db: DatabaseSync, deviceId: string, payload: string, expected: string | undefined): TwinAnswer {
  // Nothing much longer can fit; and nothing long is parsed on this thread.
  if (Buffer.byteLength(payload) > 2 * maxSectionBytes) return refusal(413, 413001, 'the patch is larger than 64 KB');
  let patch: unknown;
  try {
    patch = JSON.parse(payload);
  } catch {
    return refusal(400, 400004, 'the patch is not JSON');
  }
  if (!isObject(patch)) return refusal(400, 400004, 'the patch is not a JSON object');
  const twin = load(db, deviceId);
  if (expected !== undefined && expected !== String(twin.reportedVersion)) {
    return refusal(412, 412002, `the reported section is at version ${twin.reportedVersion}, not ${expected}`);
  }
  if (depthOf(patch) > maxDepth) return refusal(400, 400004, `the patch is nested deeper than ${maxDepth} levels`);
  const reported = merge(twin.reported, patch);
  const text = JSON.stringify(reported);
  if (Buffer.byteLength(text) > maxSectionBytes) return refusal(413, 413001, 'the reported section would be larger than 32 KB');
  const version = twin.reportedVersion + 1;
  db.prepare(
    'INSERT INTO twins VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET reported = excluded.reported, reported_version = excluded.reported_version',
  ).run(deviceId, JSON.stringify(twin.desired), twin.desiredVersion, text, version);
  return { status: 204, version, body: '' };
}

/** The SDK takes any answer for success unless its body has an `errorCode`. */
export function refusal(status: number, errorCode: number, message: string): TwinAnswer {
  return { status, body: JSON.stringify({ errorCode, trackingId: randomUUID(), message, timestampUtc: new Date().toISOString() }) };
}

interface Twin {
  readonly desired: Json;
  readonly desiredVersion: number;
  readonly reported: Json;
  readonly reportedVersion: number;
}

function load(db: DatabaseSync, deviceId: string): Twin {
  const row = db.prepare('SELECT * FROM twins WHERE device_id = ?').get(deviceId);
  if (!row) return { desired: {}, desiredVersion: 1, reported: {}, reportedVersion: 1 };
  return {
    desired: JSON.parse(row.desired as string) as Json,
    desiredVersion: row.desired_version as number,
    reported: JSON.parse(row.reported as string) as Json,
    reportedVersion: row.reported_version as number,
  };
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

function merge(section: Json, patch: Json): Json {
  const entries = new Map(Object.entries(section));
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) entries.delete(key);
    else if (isObject(value)) {
      const old = entries.get(key);
      entries.set(key, merge(isObject(old) ? old : {}, value));
    } else entries.set(key, value);
  }
  return Object.fromEntries(entries);
}

/** Levels of objects and arrays below the root; stops counting where it is too deep anyway. */
function depthOf(value: unknown, level = 0): number {
  if (typeof value !== 'object' || value === null || level > maxDepth) return level;
  return Math.max(level, ...Object.values(value).map((inner) => depthOf(inner, typeof inner === 'object' ? level + 1 : level)));
}
