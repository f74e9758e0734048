import type { X509Certificate } from 'node:crypto';
import type { SecretReference } from '../../adapters/contract.ts';
import { GatewayError } from '../../model/error.ts';
import type { HubContext } from '../contract.ts';
import { readCertificate, readRoot } from '../delivery/pem.ts';
import type { TlsOptions } from '../delivery/socket.ts';
import { deviceIdProblem, parseConnectionString, parseHost } from './connection-string.ts';
import type { AzureSettings } from './definition.ts';
import { decodeKey } from './sas.ts';

/** Who we are, to whom we talk, and how we prove it. Lives only as long as one connect: keys are read again for the next. */
export interface Identity {
  /** Name of the hub: user name, audience of the token. */
  readonly hub: string;
  /** Where the TCP connection goes. */
  readonly host: string;
  readonly port: number;
  readonly deviceId: string;
  /** Absent for the device itself. */
  readonly moduleId?: string;
  readonly proof: Proof;
  /** PEM; undefined for the roots that come with Node. */
  readonly ca: string | undefined;
}

export type Proof = { readonly kind: 'sas'; readonly key: Uint8Array } | X509Proof;

export interface X509Proof {
  readonly kind: 'x509';
  /** PEM, chain included. */
  readonly certificate: string;
  readonly privateKey: string;
  readonly parsed: X509Certificate;
}

/** Opens the secrets that the settings name. Throws GatewayError `after-fix` that says which of them is wrong, never its content. */
export async function identify(settings: AzureSettings, context: HubContext): Promise<Identity> {
  const ca = settings.ca === undefined ? undefined : await readRoot(settings.ca, context);
  if (settings.connectionString) {
    const parsed = parseConnectionString(await context.secret(settings.connectionString));
    if (settings.deviceId !== undefined && settings.deviceId !== parsed.deviceId) {
      throw wrong(
        'hub-device',
        `The settings say deviceId ${settings.deviceId}, the connection string says ${parsed.deviceId}.`,
        'Remove deviceId from the settings, or use the connection string of that device.',
      );
    }
    const { hub, host, port, deviceId } = parsed;
    return {
      hub,
      host,
      port,
      deviceId,
      ca,
      proof: parsed.x509
        ? await certificateProof(settings.certificate, settings.privateKey, context)
        : keyProof(parsed.sharedAccessKey ?? ''),
    };
  }
  const { host, port } = parseHost(settings.host ?? '', 'host');
  const deviceId = settings.deviceId ?? context.gateway;
  const problem = deviceIdProblem(deviceId);
  if (problem)
    throw wrong('hub-device', `The device id ${problem}.`, 'The default is the id of the gateway; set deviceId in the settings.');
  const proof = settings.key
    ? keyProof(await context.secret(settings.key))
    : await certificateProof(settings.certificate, settings.privateKey, context);
  return { hub: host, host, port, deviceId, ca, proof };
}

/** What the TLS socket is given. */
export function tlsOf({ ca, proof }: Pick<Identity, 'ca' | 'proof'>): TlsOptions {
  const own = proof.kind === 'x509' ? proof : { certificate: undefined, privateKey: undefined };
  return { ca, certificate: own.certificate, privateKey: own.privateKey };
}

/** Throws GatewayError `hub-key`, `after-fix`, when the text is no key. */
export function keyProof(text: string): Proof {
  const key = decodeKey(text);
  if (key) return { kind: 'sas', key };
  throw wrong(
    'hub-key',
    text.includes('HostName=')
      ? 'The key is a whole connection string.'
      : `The key of the device is not base64 (${text.trim().length} characters).`,
    text.includes('HostName=')
      ? 'Write connectionString: instead of host: and key:.'
      : 'Copy the primary or secondary key of the device once more, all of it, to the last "=".',
  );
}

/** Throws GatewayError `hub-certificate`, `after-fix`, when certificate and key are not what they should be. */
export async function certificateProof(
  certificate: string | undefined,
  privateKey: SecretReference | undefined,
  context: Pick<HubContext, 'secret'>,
): Promise<X509Proof> {
  if (certificate === undefined || privateKey === undefined) {
    throw wrong(
      'hub-certificate',
      'The connection string says x509=true, but the settings name no certificate.',
      'Add certificate: and privateKey: to the settings of the hub.',
    );
  }
  const { pem, parsed, key } = await readCertificate(certificate, privateKey, context);
  return { kind: 'x509', certificate: pem, privateKey: key, parsed };
}

function wrong(code: string, message: string, hint: string): GatewayError {
  return new GatewayError(code, message, { retry: 'after-fix', hint });
}
