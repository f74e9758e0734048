import type { IConnectPacket } from 'mqtt-packet';
import type { Core } from '../core/hub-core.ts';
import { getIdentity, type Identity, listAuthorities } from '../registry.ts';
import { decideConnect } from './connect.ts';
import type { MqttConnection } from './connection.ts';
import type { Decision } from './connection-host.ts';
import { IdentityRole } from './identity-role.ts';

/** Lets identities in, as the registry has them, or as `lookup` says (by client id). */
export function decideIdentity(
  core: Core,
  packet: IConnectPacket,
  connection: MqttConnection,
  lookup: (id: string) => Identity | undefined = (id) => getIdentity(core.db, id),
): Decision {
  const decision = decideConnect(packet, {
    isOurName: core.isOurName,
    identity: lookup,
    policies: core.policies,
    certificates: () => connection.certificates(),
    authorities: () => listAuthorities(core.db).map(({ pem }) => pem),
    nowMs: Date.now(),
  });
  if (!decision.accepted) return decision;
  const { identity, expiresMs, modelId } = decision;
  if (modelId !== undefined) core.commits.run(() => core.twinStore.setModelId(identity.id, modelId)).catch(() => {});
  return { accepted: true, cast: (speaker) => new IdentityRole(identity, expiresMs, core, speaker) };
}
