import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { AgentLog, DeploymentSource } from '../../deployments/agent/contract.ts';
import { DeploymentFile } from '../../deployments/agent/deployment-file.ts';
import type { KeyStore } from '../../deployments/key-store.ts';
import { storedJson } from '../../deployments/stored-json.ts';

/** What tells one word of the hub from another. */
export const digestOf = (wanted: object): string => createHash('sha256').update(JSON.stringify(wanted)).digest('hex');

/**
 * Whether this is what the hub said before, and somebody else had the last word since: what a command on this machine deployed stays until the hub says
 * something new, and is not undone because the link comes back.
 */
export const isOvertaken = ({ from, hubSaid }: DeploymentSource, said: string): boolean =>
  from !== undefined && from !== 'hub' && said === hubSaid;

const formerFile = 'deployment-source.json';
const Former = z.object({ from: z.string(), hub: z.string().optional() });

/**
 * A version before kept in a file beside the keys what stands with the deployment now; it goes there, before the agent reads it. Where the two do not speak of
 * the same sender a kill came between them, and the hub may say it once more. Rejects with `agent-disk`; done again it ends the same.
 */
export async function moveSource(store: KeyStore, agentFolder: string, log: AgentLog): Promise<void> {
  const text = await store.read(formerFile);
  if (text === undefined) return;
  const former = storedJson(Former, text);
  const file = new DeploymentFile(agentFolder, log);
  const deployment = former?.hub === undefined ? undefined : await file.read();
  if (deployment && deployment.hubSaid === undefined && deployment.from === former?.from)
    await file.write({ ...deployment, hubSaid: former?.hub as string });
  await store.remove(formerFile);
}
