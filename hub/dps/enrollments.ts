import { read } from '../certificate-chain.ts';
import { isKey } from '../core/authentication.ts';
import type { TwinPatch } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';
import type { DatabaseSync } from '../database.ts';
import { freshEtag, freshKey, isIdentityId, normalThumbprint } from '../registry.ts';

/** How a device that nobody knows yet proves itself to the provisioning service. */
export type Attestation =
  /** Of an individual: its keys. Of a group: each device has keys made of these and its registration id. Base64. */
  | { readonly type: 'symmetricKey'; readonly primaryKey: string; readonly secondaryKey: string }
  /** Individuals: the certificate itself, SHA-1 or SHA-256, hex. */
  | { readonly type: 'thumbprint'; readonly primaryThumbprint: string; readonly secondaryThumbprint: string }
  /** Groups: certificates of this authority, whose common name is the registration id. PEM. */
  | { readonly type: 'authority'; readonly pem: string };

/** What a device that registers again finds: its twin as it is, as the enrollment says, or everything as it was at first, keys too. */
export type Reprovision = 'keep-twin' | 'reset-twin' | 'never';

export interface Enrollment {
  /** Registration id of an individual (lower case), name of a group. */
  readonly id: string;
  readonly kind: 'individual' | 'group';
  readonly enabled: boolean;
  readonly attestation: Attestation;
  /** Individuals: default is the registration id. */
  readonly deviceId: string | undefined;
  readonly edge: boolean;
  readonly reprovision: Reprovision;
  /** What the twin of a new device starts with. */
  readonly twin: TwinPatch;
  readonly createdMs: number;
  readonly etag: string;
}

export type EnrollmentInput = Pick<Enrollment, 'id' | 'kind'> &
  Partial<Pick<Enrollment, 'enabled' | 'deviceId' | 'edge' | 'reprovision' | 'twin'>> & {
    /** Keys that are absent are generated. */
    readonly attestation:
      | { readonly type: 'symmetricKey'; readonly primaryKey?: string; readonly secondaryKey?: string }
      | { readonly type: 'thumbprint'; readonly primaryThumbprint: string; readonly secondaryThumbprint?: string }
      | { readonly type: 'authority'; readonly pem: string };
  };

/** Alphanumeric and `- . _ :`, up to 128 characters; upper and lower case are the same. */
export const isRegistrationId = (text: string): boolean => /^[A-Za-z0-9._:-]{1,128}$/.test(text);

/** On disk when it returns. Takes the place of one of the same id and kind; also while the hub runs. Throws RequestError 400. */
export function putEnrollment(db: DatabaseSync, input: EnrollmentInput): Enrollment {
  if (!isRegistrationId(input.id))
    throw new RequestError('ArgumentInvalid', `"${input.id}" cannot be an enrollment: use 1 to 128 letters, digits and - . _ :`);
  if (input.deviceId !== undefined && !(input.kind === 'individual' && isIdentityId(input.deviceId))) {
    throw new RequestError('ArgumentInvalid', `"${input.deviceId}" cannot be the device id of this enrollment`);
  }
  const enrollment: Enrollment = {
    id: input.kind === 'individual' ? input.id.toLowerCase() : input.id,
    kind: input.kind,
    enabled: input.enabled ?? true,
    attestation: wantedAttestation(input),
    deviceId: input.deviceId,
    edge: input.edge ?? false,
    reprovision: input.reprovision ?? 'keep-twin',
    twin: input.twin ?? {},
    createdMs: Date.now(),
    etag: freshEtag(),
  };
  db.prepare('INSERT OR REPLACE INTO enrollments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
    keyOf(enrollment.kind, enrollment.id),
    enrollment.kind,
    enrollment.enabled ? 1 : 0,
    enrollment.createdMs,
    enrollment.etag,
    JSON.stringify(enrollment.attestation),
    enrollment.deviceId ?? null,
    enrollment.edge ? 1 : 0,
    enrollment.reprovision,
    JSON.stringify(enrollment.twin),
  );
  return enrollment;
}

export function getEnrollment(db: DatabaseSync, kind: Enrollment['kind'], id: string): Enrollment | undefined {
  const row = db.prepare('SELECT * FROM enrollments WHERE id = ?').get(keyOf(kind, kind === 'individual' ? id.toLowerCase() : id));
  return row && toEnrollment(row);
}

export function listEnrollments(db: DatabaseSync, kind?: Enrollment['kind']): readonly Enrollment[] {
  return db
    .prepare('SELECT * FROM enrollments WHERE kind = coalesce(?, kind) ORDER BY id')
    .all(kind ?? null)
    .map(toEnrollment);
}

/** False when there was none. Devices that it made stay. */
export function removeEnrollment(db: DatabaseSync, kind: Enrollment['kind'], id: string): boolean {
  const key = keyOf(kind, kind === 'individual' ? id.toLowerCase() : id);
  return db.prepare('DELETE FROM enrollments WHERE id = ?').run(key).changes > 0;
}

/** False when there is none. */
export function setEnrollmentEnabled(db: DatabaseSync, kind: Enrollment['kind'], id: string, enabled: boolean): boolean {
  const key = keyOf(kind, kind === 'individual' ? id.toLowerCase() : id);
  return db.prepare('UPDATE enrollments SET enabled = ?, etag = ? WHERE id = ?').run(enabled ? 1 : 0, freshEtag(), key).changes > 0;
}

/** An individual and a group may have one name. */
const keyOf = (kind: Enrollment['kind'], id: string): string => `${kind}/${id}`;

function wantedAttestation({ kind, attestation }: EnrollmentInput): Attestation {
  if (attestation.type === 'symmetricKey') {
    const { primaryKey = freshKey(), secondaryKey = freshKey() } = attestation;
    if (!isKey(primaryKey) || !isKey(secondaryKey)) throw new RequestError('ArgumentInvalid', 'a key is 16 to 64 bytes in base64');
    return { type: 'symmetricKey', primaryKey, secondaryKey };
  }
  if (attestation.type === 'authority') {
    if (kind === 'individual')
      throw new RequestError('ArgumentInvalid', 'an individual proves itself by its own certificate; an authority is for a group');
    if (read(attestation.pem)?.ca !== true)
      throw new RequestError('ArgumentInvalid', 'this is no certificate of an authority (CA:TRUE) in PEM');
    return attestation;
  }
  if (kind === 'group')
    throw new RequestError('ArgumentInvalid', 'a group proves itself by an authority; one certificate is for an individual');
  const { primaryThumbprint, secondaryThumbprint = '' } = attestation;
  return {
    type: 'thumbprint',
    primaryThumbprint: normalThumbprint(primaryThumbprint),
    secondaryThumbprint: secondaryThumbprint === '' ? '' : normalThumbprint(secondaryThumbprint),
  };
}

function toEnrollment(row: Record<string, unknown>): Enrollment {
  const kind = row.kind as Enrollment['kind'];
  return {
    id: (row.id as string).slice(kind.length + 1),
    kind,
    enabled: row.enabled === 1,
    attestation: JSON.parse(row.attestation as string) as Attestation,
    deviceId: (row.device_id as string | null) ?? undefined,
    edge: row.edge === 1,
    reprovision: row.reprovision as Reprovision,
    twin: JSON.parse(row.twin as string) as TwinPatch,
    createdMs: row.created_ms as number,
    etag: row.etag as string,
  };
}
