import type { Manifest, RunningModule } from '../../deployments/contract.ts';
import { readManifest } from '../../deployments/manifest/read-manifest.ts';
import { plan as planOf } from '../../deployments/plan/plan.ts';
import { compileRoutes } from '../../deployments/routes/table.ts';
import type { EntryResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import type { Row } from './row.ts';

const modules = 200;
const routes = 50;
const boundMs = 50;

/** How long a person waits for the plan of a large deployment, and what routing costs a message. */
export const plan: Row = {
  name: 'plan',
  title: `a deployment of ${modules} modules read and planned, ms; a message matched against ${routes} routes, µs`,
  async run(options) {
    const [before, after] = [document(1), document(2)];
    const running = asRunning(readManifest(before).manifest!);
    const times = options.quick ? 20 : 200;
    const read: number[] = [];
    const planned: number[] = [];
    for (let time = 0; time < times; time++) {
      const began = performance.now();
      const { manifest } = readManifest(after);
      const readAt = performance.now();
      if (planOf(running, manifest!).steps.length < modules) throw new Error('a plan that leaves something out');
      planned.push(performance.now() - readAt);
      read.push(readAt - began);
    }
    const whole = read.map((ms, at) => ms + planned[at]!);
    const perMessage = await routing(options.quick ? 20_000 : 200_000);
    const entry = (name: string, figures: Record<string, number>, runs: readonly number[]): EntryResult => ({
      ...{ name, role: 'ours', figures, spread: spread([...runs]), repeats: runs.length },
    });
    const worst = Math.max(...whole);
    return {
      row: this.name,
      title: this.title,
      entries: [
        entry('read, checked and planned', { ms: median(whole), 'worst ms': worst }, whole),
        entry('planned alone', { ms: median(planned), 'worst ms': Math.max(...planned) }, planned),
        entry('one message against all routes', { µs: perMessage }, [perMessage]),
      ],
      bars: [{ text: `≤ ${boundMs} ms, read, checked and planned`, value: median(whole), holds: median(whole) <= boundMs }],
      notes: ['every module is another version than the one that runs: the largest plan there is'],
    };
  },
};

function document(version: number): object {
  const settings = { image: 'built-in', createOptions: '{}' };
  const createOptions = JSON.stringify({ HostConfig: { Memory: 67_108_864, PortBindings: { '80/tcp': [{ HostPort: '8080' }] } } });
  const module = (index: number): object => ({
    ...{ type: 'docker', version: String(version), status: 'running', restartPolicy: 'always', startupOrder: index % 10 },
    env: { LINE: { value: `line-${index}` }, LIMIT: { value: String(index) } },
    settings: { image: `registry.candyco.example/line/module-${index}:${version}`, createOptions },
  });
  const agent = {
    schemaVersion: '1.1',
    runtime: { type: 'docker', settings: { minDockerVersion: 'v1.25' } },
    systemModules: {
      edgeAgent: { type: 'docker', settings },
      edgeHub: { type: 'docker', status: 'running', restartPolicy: 'always', settings },
    },
    modules: Object.fromEntries(Array.from({ length: modules }, (_, index) => [`module-${index}`, module(index)])),
  };
  const hub = {
    schemaVersion: '1.1',
    routes: Object.fromEntries(
      Array.from({ length: routes }, (_, index) => [
        `r${index}`,
        `FROM /messages/modules/module-${index}/outputs/* WHERE $body.value > ${index} AND severity = 'high' INTO BrokeredEndpoint("/modules/module-${index + 1}/inputs/in")`,
      ]),
    ),
    storeAndForwardConfiguration: { timeToLiveSecs: 7200 },
  };
  return { modulesContent: { $edgeAgent: { 'properties.desired': agent }, $edgeHub: { 'properties.desired': hub } } };
}

const asRunning = (manifest: Manifest): RunningModule[] =>
  [...manifest.modules.values()].map((spec) => ({ name: spec.name, spec, imageId: '', runtimeStatus: 'running' }));

async function routing(messages: number): Promise<number> {
  const { manifest } = readManifest(document(1));
  const { table } = compileRoutes(manifest!.routes, manifest!.storeAndForward);
  const message = {
    source: '/messages/modules/module-25/outputs/out',
    body: Buffer.from('{"value": 30}'),
    properties: { severity: 'high' },
    system: { contentType: 'application/json', connectionModuleId: 'module-25' },
  };
  if (table!.match(message).length !== 1) throw new Error('a route that does not match');
  const began = performance.now();
  for (let sent = 0; sent < messages; sent++) table!.match(message);
  return ((performance.now() - began) * 1000) / messages;
}
