import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../../engine/contract.ts';
import { openDocker } from '../../engine/docker.ts';
import { ModulePolicy } from '../../engine/policy.ts';
import { openImages } from '../../images/images.ts';
import { DeploymentAgent } from '../agent.ts';
import type { AgentClock, AgentOptions } from '../contract.ts';

/** Pauses are a tenth of what they are. */
export const hastyClock: AgentClock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) => sleep(ms / 10, undefined, { signal }).catch(() => {}),
};

export const gateway = 'gw-real';

/** An agent on a real engine. `wrap` may come between them. */
export async function openReal(
  folder: string,
  host: string,
  more: Partial<AgentOptions> = {},
  wrap: (engine: Engine) => Engine = (engine) => engine,
): Promise<DeploymentAgent> {
  const engine = (): Promise<Engine> => openDocker({ url: host });
  const images = await openImages({ engine, data: folder, policy: {}, onRefused: () => {} });
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  return DeploymentAgent.open({
    ...{ folder, gateway, policy: ModulePolicy.parse({}), images, clock: hastyClock },
    engine: async () => wrap(await engine()),
    environmentOf: async (module) => ({ env: { IOTEDGE_MODULEID: module }, binds: [] }),
    identities: { ensure: async () => {}, remove: async () => {} },
    ...{ log: silent, audit: () => {}, onReported: () => {} },
    version: { version: '1.2.3', build: 'test', commit: 'abc' },
    gate: { settleMs: 300, healthyWithinMs: 20_000 },
    ...more,
  });
}
