import { setTimeout as sleep } from 'node:timers/promises';
import type { ModuleSpec } from '../../contract.ts';
import type { Engine } from '../../engine/contract.ts';
import { openDocker } from '../../engine/docker.ts';
import { ModulePolicy } from '../../engine/policy.ts';
import type { Images } from '../../images/contract.ts';
import { DeploymentAgent } from '../agent.ts';
import type { AgentClock, AgentOptions } from '../contract.ts';

/** Pauses are a tenth of what they are. */
export const hastyClock: AgentClock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) => sleep(ms / 10, undefined, { signal }).catch(() => {}),
};

/** What the engine has, by name. */
function imagesOf(host: string): Images {
  return {
    check: async () => [],
    async ensure({ image }: ModuleSpec) {
      await using engine = await openDocker({ url: host });
      const found = await engine.image(image);
      if (!found) throw new Error(`${image} is not here`);
      return { imageId: found.id, from: 'engine' };
    },
    cleanUp: async () => [],
  };
}

export const gateway = 'gw-real';

/** An agent on a real engine. `wrap` may come between them. */
export function openReal(
  folder: string,
  host: string,
  more: Partial<AgentOptions> = {},
  wrap: (engine: Engine) => Engine = (engine) => engine,
): Promise<DeploymentAgent> {
  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  return DeploymentAgent.open({
    ...{ folder, gateway, policy: ModulePolicy.parse({}), images: imagesOf(host), clock: hastyClock },
    engine: async () => wrap(await openDocker({ url: host })),
    environmentOf: async (module) => ({ env: { IOTEDGE_MODULEID: module }, binds: [] }),
    identities: { ensure: async () => {}, remove: async () => {} },
    ...{ log: silent, audit: () => {}, onReported: () => {} },
    version: { version: '1.2.3', build: 'test', commit: 'abc' },
    gate: { settleMs: 300, healthyWithinMs: 20_000 },
    ...more,
  });
}
