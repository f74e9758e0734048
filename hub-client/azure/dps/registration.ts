import { GatewayError } from '../../../model/error.ts';
import type { HubContext } from '../../contract.ts';
import { readRoot } from '../../delivery/pem.ts';
import { parseHost } from '../connection-string.ts';
import { certificateProof, keyProof, type Proof } from '../credentials.ts';
import { memberKey } from './group-key.ts';
import { type DpsSettings, registrationPattern } from './settings.ts';

/** Who asks for a hub, where, and how it proves itself; secrets opened. */
export interface Registration {
  readonly idScope: string;
  readonly registrationId: string;
  readonly host: string;
  readonly port: number;
  readonly proof: Proof;
  /** PEM of the provisioning service's root; undefined for the roots that come with Node. */
  readonly ca: string | undefined;
}

/** Opens the secrets. `ca` is the root that the hub has. Throws GatewayError `after-fix` that says which of them is wrong. */
export async function openRegistration(settings: DpsSettings, ca: string | undefined, context: HubContext): Promise<Registration> {
  const root = settings.ca ?? ca;
  const proof = settings.certificate
    ? await certificateProof(settings.certificate, settings.privateKey, context)
    : keyProof(await context.secret((settings.key ?? settings.groupKey)!));
  const registrationId = registrationIdOf(settings.registrationId, proof, context.gateway);
  return {
    idScope: settings.idScope,
    registrationId,
    ...parseHost(settings.endpoint, 'endpoint'),
    proof: proof.kind === 'sas' && settings.groupKey ? { kind: 'sas', key: memberKey(proof.key, registrationId) } : proof,
    ca: root === undefined ? undefined : await readRoot(root, context),
  };
}

/** With a certificate it is the common name, and nothing else is possible. */
function registrationIdOf(written: string | undefined, proof: Proof, gateway: string): string {
  if (proof.kind === 'sas') return written ?? gateway.toLowerCase();
  const { CN } = proof.parsed.toLegacyObject().subject as { readonly CN?: string | string[] };
  const name = Array.isArray(CN) ? CN[0] : CN;
  if (name === undefined || !registrationPattern.test(name)) {
    throw wrong(
      `The certificate names ${name === undefined ? 'nobody' : `"${name}"`}; its common name must be the registration id.`,
      'Letters, digits and - . _ : are possible, at most 128 of them.',
    );
  }
  if (written !== undefined && written.toLowerCase() !== name.toLowerCase())
    throw wrong(
      `The settings say registrationId ${written}, the certificate says ${name}.`,
      'Leave registrationId out: the certificate decides.',
    );
  return name;
}

function wrong(message: string, hint: string): GatewayError {
  return new GatewayError('dps-registration', message, { retry: 'after-fix', hint });
}
