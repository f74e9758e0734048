import type { IConnectPacket } from 'mqtt-packet';
import type { Core } from '../core/hub-core.ts';
import { getIdentity, listAuthorities } from '../registry.ts';
import { type ConnectContext, decideConnect } from './connect.ts';
import type { MqttConnection } from './connection.ts';
import type { Decision } from './connection-host.ts';
import { IdentityRole } from './identity-role.ts';

/** Lets identities in, as the registry has them, or as `given.identity` says. */
export function decideIdentity(
  core: Core,
  packet: IConnectPacket,
  connection: MqttConnection,
  given: Partial<Pick<ConnectContext, 'identity' | 'cures'>> = {},
): Decision {
  const decision = decideConnect(packet, {
    isOurName: core.isOurName,
    identity: (id) => getIdentity(core.db, id),
    policies: core.policies,
    certificates: () => connection.certificates(),
    authorities: () => listAuthorities(core.db).map(({ pem }) => pem),
    nowMs: Date.now(),
    ...given,
  });
  if (!decision.accepted) return decision;
  const { identity, expiresMs, modelId } = decision;
  if (modelId !== undefined) core.commits.run(() => core.twinStore.setModelId(identity.id, modelId)).catch(() => {});
  return { accepted: true, cast: (speaker) => new IdentityRole(identity, expiresMs, core, speaker) };
}
