import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { SecretReference } from '../../adapters/contract.ts';
import { certificateProof, keyProof, type Proof } from '../../hub-client/azure/credentials.ts';
import { memberKey } from '../../hub-client/azure/dps/group-key.ts';
import { globalEndpoint, registrationPattern, scopePattern } from '../../hub-client/azure/dps/settings.ts';
import { GatewayError } from '../../model/error.ts';

/** What `dragoman init` was called with; file names are relative to the folder of the call. */
export interface InitOptions {
  readonly idScope?: string;
  readonly registrationId?: string;
  readonly keyFile?: string;
  readonly groupKeyFile?: string;
  readonly certificate?: string;
  readonly privateKey?: string;
  readonly endpoint?: string;
  /** Root of a private provisioning service and hub, PEM. */
  readonly ca?: string;
  readonly gateway?: string;
  readonly path?: string;
  /** Where the configuration goes. */
  readonly file: string;
  readonly force?: boolean;
}

/** The same with what a person typed in. */
export interface Wanted extends InitOptions {
  readonly key?: string;
  /** What was typed in is the key of a group. */
  readonly isGroupKey?: boolean;
}

/** Everything that a box is made of, checked. */
export interface Box {
  readonly gateway: string;
  readonly path: string;
  readonly idScope: string;
  readonly registrationId: string;
  readonly endpoint: string;
  /** Of this device alone: the key of a group never comes onto the box. */
  readonly proof:
    | { readonly kind: 'key'; readonly key: string }
    | { readonly kind: 'x509'; readonly certificate: string; readonly privateKey: string };
  readonly ca: string | undefined;
}

/** The call was wrong: exit code 2. */
export class UsageError extends GatewayError {
  constructor(message: string, hint?: string) {
    super('init-usage', message, { retry: 'never', ...(hint !== undefined && { hint }) });
  }
}

/** Throws UsageError where flags are missing or exclude each other, GatewayError where a file is not what it should be. */
export async function planBox(wanted: Wanted): Promise<Box> {
  const { idScope, endpoint = globalEndpoint, path = '' } = wanted;
  const proofs = [
    wanted.keyFile !== undefined && '--key-file',
    wanted.groupKeyFile !== undefined && '--group-key-file',
    wanted.certificate !== undefined && '--certificate',
  ].filter((one) => one !== false);
  if (proofs.length > 1) throw new UsageError(`${proofs.join(' and ')} were given; the device proves itself in one way`);
  if ((wanted.certificate === undefined) !== (wanted.privateKey === undefined))
    throw new UsageError('--certificate and --private-key belong together');
  const missing = [
    ...(idScope === undefined ? ['--id-scope'] : []),
    ...(proofs.length === 0 && wanted.key === undefined ? ['one of --key-file, --group-key-file, --certificate with --private-key'] : []),
  ];
  if (idScope === undefined || missing.length > 0)
    throw new UsageError(`not given: ${missing.join('; ')}`, 'On a terminal, dragoman init asks for what is missing.');
  if (!scopePattern.test(idScope)) throw new UsageError(`--id-scope: "${idScope}" is no ID scope; it looks like 0ne00ABCDEF`);
  const proof = await proofOf(wanted);
  const registrationId = registrationOf(wanted, proof);
  const gateway = wanted.gateway ?? gatewayIdFrom(registrationId);
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(gateway))
    throw new UsageError(`--gateway: "${gateway}" is no id; letters, digits, hyphens and underscores, at most 64`);
  if (!/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(endpoint))
    throw new UsageError(`--endpoint: "${endpoint}" is no host name, or name:port`);
  return {
    gateway,
    path,
    idScope,
    registrationId,
    endpoint,
    proof: kept(proof, wanted.isGroupKey ?? wanted.groupKeyFile !== undefined, registrationId),
    ca: wanted.ca === undefined ? undefined : await text(wanted.ca, '--ca'),
  };
}

/** Ids of gateways are stricter than registration ids. */
export const gatewayIdFrom = (registrationId: string): string => registrationId.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 64);

/** A name for a box that has none yet: that of the machine. */
export const nameOfMachine = (): string =>
  hostname()
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, '-')
    .replace(/^[^a-z0-9]+/, '') || 'gateway';

async function proofOf(wanted: Wanted): Promise<Proof> {
  if (wanted.certificate !== undefined && wanted.privateKey !== undefined) {
    const secret = (reference: SecretReference): Promise<string> => text((reference as { file: string }).file, 'the file');
    return certificateProof(wanted.certificate, { file: wanted.privateKey }, { secret });
  }
  if (wanted.key !== undefined) return keyProof(wanted.key);
  const file = (wanted.keyFile ?? wanted.groupKeyFile)!;
  return keyProof(await text(file, wanted.keyFile === undefined ? '--group-key-file' : '--key-file'));
}

function registrationOf({ registrationId, gateway }: Wanted, proof: Proof): string {
  const { CN } = (proof.kind === 'x509' ? proof.parsed.toLegacyObject().subject : {}) as { readonly CN?: string };
  const id = registrationId ?? CN ?? gateway?.toLowerCase() ?? nameOfMachine();
  if (!registrationPattern.test(id))
    throw new UsageError(`"${id}" is no registration id; letters, digits and - . _ :, at most 128`, 'Give one with --registration-id.');
  return id;
}

function kept(proof: Proof, ofGroup: boolean, registrationId: string): Box['proof'] {
  if (proof.kind === 'x509') return { kind: 'x509', certificate: proof.certificate, privateKey: proof.privateKey };
  const key = ofGroup ? memberKey(proof.key, registrationId) : proof.key;
  return { kind: 'key', key: Buffer.from(key).toString('base64') };
}

async function text(file: string, what: string): Promise<string> {
  const read = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new GatewayError('init-file', `${what}: ${file} cannot be read: ${cause.message}`, { retry: 'after-fix', cause });
  });
  return read.trim();
}
