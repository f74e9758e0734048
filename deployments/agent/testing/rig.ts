import type { GatewayError } from '../../../model/error.ts';
import type { TwinObject } from '../../../twin/section.ts';
import type { Manifest, ModuleSpec } from '../../contract.ts';
import { ModulePolicy } from '../../engine/policy.ts';
import type { Images } from '../../images/contract.ts';
import { DeploymentAgent } from '../agent.ts';
import type { AgentAct, AgentOptions } from '../contract.ts';
import type { FakeBox } from './fake-box.ts';
import type { ManualClock } from './manual-clock.ts';

export const spec = (name: string, more: Partial<ModuleSpec> = {}): ModuleSpec => ({
  ...{ name, version: '1.0', status: 'running', restartPolicy: 'always', imagePullPolicy: 'on-create' },
  ...{ startupOrder: 4_294_967_295, env: {}, image: `candyco/${name}:1`, createOptions: {} },
  ...more,
});

export const manifestOf = (...specs: readonly ModuleSpec[]): Manifest => ({
  schemaVersion: '1.1',
  runtime: { type: 'docker', minDockerVersion: 'v1.25', loggingOptions: '', registryCredentials: new Map() },
  systemModules: new Map(['edgeAgent', 'edgeHub'].map((name) => [name, spec(name, { image: `mcr/${name.toLowerCase()}:1.5` })])),
  modules: new Map(specs.map((one) => [one.name, one])),
  routes: [],
  storeAndForward: { timeToLiveSecs: 7200, maxSizeBytes: undefined },
  twins: new Map(),
});

/** Images that are there, by reference: the id is the reference itself. `missing` are those that are not. */
export class FakeImages implements Images {
  readonly missing = new Map<string, GatewayError>();
  readonly asked: string[] = [];
  needed: ReadonlySet<string> | undefined;

  async check(): Promise<readonly []> {
    return [];
  }

  async ensure({ image }: ModuleSpec) {
    this.asked.push(image);
    const missing = this.missing.get(image);
    if (missing) throw missing;
    return { imageId: image, from: 'engine' as const };
  }

  async cleanUp(needed: ReadonlySet<string>): Promise<readonly string[]> {
    this.needed = needed;
    return [];
  }
}

export interface Rig extends AsyncDisposable {
  readonly agent: DeploymentAgent;
  readonly images: FakeImages;
  readonly acts: AgentAct[];
  readonly reports: TwinObject[];
  readonly removedIdentities: string[];
}

/** An agent on a box in memory. */
export async function openRig(folder: string, box: FakeBox, clock: ManualClock, more: Partial<AgentOptions> = {}): Promise<Rig> {
  const images = new FakeImages();
  const [acts, reports, removedIdentities]: [AgentAct[], TwinObject[], string[]] = [[], [], []];
  const agent = await DeploymentAgent.open({
    ...{ folder, gateway: 'gw-1', engine: box.open, policy: ModulePolicy.parse({}), images, clock },
    environmentOf: async (module) => ({ env: { IOTEDGE_MODULEID: module }, binds: [] }),
    identities: { ensure: async () => {}, remove: async (module) => removedIdentities.push(module) },
    ...{ log: silent, audit: (act: AgentAct) => acts.push(act), onReported: (reported: TwinObject) => reports.push(reported) },
    version: { version: '1.2.3', build: 'test', commit: 'abc' },
    gate: { settleMs: 1_000, healthyWithinMs: 5_000 },
    ...more,
  });
  return { agent, images, acts, reports, removedIdentities, [Symbol.asyncDispose]: () => clock.until(agent[Symbol.asyncDispose]()) };
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
