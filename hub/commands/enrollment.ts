import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Enrollment, EnrollmentInput } from '../dps/enrollments.ts';
import { afterFix } from '../error.ts';
import { folderOf, print } from './shared.ts';

interface CreateOptions {
  readonly group?: boolean;
  readonly primaryKey?: string;
  readonly secondaryKey?: string;
  readonly x509?: string;
  readonly ca?: string;
  readonly deviceId?: string;
  readonly twin?: unknown;
  readonly json?: boolean;
}

export async function create(id: string, options: CreateOptions, command: Command): Promise<void> {
  const given = [options.x509, options.ca, options.primaryKey ?? options.secondaryKey].filter((proof) => proof !== undefined);
  if (given.length > 1) command.error('give keys, or --x509, or --ca: a device proves itself in one way', { exitCode: 2 });
  const [{ putEnrollment }, { openRegistry }, { twinOf }, { idScopeOf }] = await Promise.all([
    import('../dps/enrollments.ts'),
    import('../registry.ts'),
    import('../service/bodies.ts'),
    import('../dps/provisioning.ts'),
  ]);
  using db = openRegistry(folderOf(command));
  const enrollment = putEnrollment(db, {
    id,
    kind: options.group ? 'group' : 'individual',
    attestation: attestationOf(options),
    ...(options.deviceId !== undefined && { deviceId: options.deviceId }),
    ...(options.twin !== undefined && { twin: twinOf(options.twin) }),
  });
  const idScope = idScopeOf(db, undefined);
  if (options.json) {
    await print(JSON.stringify({ ...enrollment, idScope }));
    return;
  }
  const { kind, attestation } = enrollment;
  await print(`enrolled ${kind === 'group' ? 'group ' : ''}${enrollment.id} (${proofOf(enrollment)})`);
  await print(`id scope       ${idScope}`);
  if (attestation.type !== 'symmetricKey') return;
  await print(`primary key    ${attestation.primaryKey}`);
  await print(`secondary key  ${attestation.secondaryKey}`);
}

function attestationOf({ x509, ca, primaryKey, secondaryKey }: CreateOptions): EnrollmentInput['attestation'] {
  if (x509 !== undefined) return { type: 'thumbprint', primaryThumbprint: x509 };
  if (ca !== undefined) return { type: 'authority', pem: readPem(ca) };
  return { type: 'symmetricKey', ...(primaryKey !== undefined && { primaryKey }), ...(secondaryKey !== undefined && { secondaryKey }) };
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw afterFix('file', `cannot read ${file}: ${(error as Error).message}`, 'name the certificate of the authority, in PEM', error);
  }
}

export async function list(options: { readonly json?: boolean }, command: Command): Promise<void> {
  const [{ listEnrollments }, { openRegistry }] = await Promise.all([import('../dps/enrollments.ts'), import('../registry.ts')]);
  using db = openRegistry(folderOf(command));
  const enrollments = listEnrollments(db);
  if (options.json) {
    // Without keys, like devices: what is printed ends up in tickets.
    const shown = enrollments.map(({ attestation, ...rest }) => ({ ...rest, attestation: { type: attestation.type } }));
    await print(JSON.stringify(shown));
    return;
  }
  if (enrollments.length === 0) {
    await print('no enrollments yet; make one with: dragoman hub enrollment create ID');
    return;
  }
  const width = Math.max(...enrollments.map(({ id }) => id.length));
  for (const enrollment of enrollments) {
    const { id, kind, enabled, twin } = enrollment;
    const start = Object.keys(twin).length > 0 ? `  twin ${JSON.stringify(twin)}` : '';
    await print(`${id.padEnd(width)}  ${kind.padEnd(10)}  ${(enabled ? 'enabled' : 'disabled').padEnd(8)}  ${proofOf(enrollment)}${start}`);
  }
}

export async function key(group: string, registration: string, command: Command): Promise<void> {
  const [{ getEnrollment }, { deviceKey }, { openRegistry }] = await Promise.all([
    import('../dps/enrollments.ts'),
    import('../dps/attestation.ts'),
    import('../registry.ts'),
  ]);
  const folder = folderOf(command);
  using db = openRegistry(folder);
  const enrollment = getEnrollment(db, 'group', group);
  if (!enrollment) throw unknownEnrollment(folder, 'group', group);
  const { attestation } = enrollment;
  if (attestation.type !== 'symmetricKey') {
    throw afterFix('enrollment-keys', `group ${group} has no keys: its devices show certificates`, 'issue one by its authority');
  }
  await print(deviceKey(attestation.primaryKey, registration));
}

export async function remove(id: string, options: { readonly group?: boolean }, command: Command): Promise<void> {
  const [{ removeEnrollment }, { openRegistry }] = await Promise.all([import('../dps/enrollments.ts'), import('../registry.ts')]);
  const kind = options.group ? 'group' : 'individual';
  const folder = folderOf(command);
  using db = openRegistry(folder);
  if (!removeEnrollment(db, kind, id)) throw unknownEnrollment(folder, kind, id);
  await print(`the enrollment of ${id} is deleted; devices that it let in stay`);
}

function unknownEnrollment(folder: string, kind: Enrollment['kind'], id: string): Error {
  const what = kind === 'group' ? `enrollment of a group ${id}` : `enrollment ${id}`;
  return afterFix('enrollment-unknown', `the hub in ${folder} has no ${what}`, 'see them with: dragoman hub enrollment list');
}

function proofOf({ attestation }: Enrollment): string {
  if (attestation.type === 'symmetricKey') return 'keys';
  return attestation.type === 'thumbprint' ? 'X.509 thumbprint' : 'certificates of an authority';
}
