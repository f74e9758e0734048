/**
 * usage: node plan-probe.ts MODULES
 *
 * Prints one line of JSON, milliseconds: reading and planning for the first time in this process, and the median of the same when warm.
 * Every second module has another image than the one that runs; all have create options, env, a route and a twin.
 */
import type { Manifest, RunningModule } from '../../deployments/contract.ts';
import { readManifest } from '../../deployments/manifest/read-manifest.ts';
import { plan } from '../../deployments/plan/plan.ts';
import { manifestWith, moduleOf } from '../../test/support/manifest.ts';
import { median } from '../harness/statistics.ts';

const modules = Number(process.argv[2]);

const moduleAt = (at: number, image: string) =>
  moduleOf({
    image,
    env: Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`SETTING_${n}`, `value ${n} of ${at}`])),
    createOptions: {
      ExposedPorts: { '8080/tcp': {} },
      Labels: { line: `line-${at}` },
      HostConfig: { Memory: 67_108_864, PortBindings: { '8080/tcp': [{ HostPort: String(20_000 + at) }] } },
    },
    more: { startupOrder: at % 10 },
  });

function manifestOf(imageOf: (at: number) => string): unknown {
  const all = Array.from({ length: modules }, (_, at) => at);
  return manifestWith(Object.fromEntries(all.map((at) => [`module-${at}`, moduleAt(at, imageOf(at))])), {
    routes: Object.fromEntries(all.map((at) => [`r${at}`, `FROM /messages/modules/module-${at}/* INTO $upstream`])),
    twins: Object.fromEntries(all.map((at) => [`module-${at}`, { limit: at, mode: 'auto' }])),
  });
}

function read(value: unknown): Manifest {
  const { manifest, problems } = readManifest(value);
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (!manifest || errors.length > 0) throw new Error(`the manifest of the bench is refused: ${JSON.stringify(problems.slice(0, 3))}`);
  return manifest;
}

function timed<T>(work: () => T): { readonly ms: number; readonly result: T } {
  const began = performance.now();
  const result = work();
  return { ms: performance.now() - began, result };
}

const wanted = manifestOf((at) => `candyco/m:2.${at}`);
const first = timed(() => read(wanted));
const running = [...first.result.modules.values()].map((spec, at): RunningModule => {
  const now = at % 2 === 0 ? spec : { ...spec, image: `candyco/m:1.${at}` };
  return { name: spec.name, spec: structuredClone(now), imageId: 'sha256:1', runtimeStatus: 'running' };
});
const firstPlan = timed(() => plan(running, first.result));
const kinds = firstPlan.result.steps.map(({ kind }) => kind);
const replaced = kinds.filter((kind) => kind === 'replace').length;
if (replaced !== Math.floor(modules / 2) || firstPlan.result.keep.length !== modules - replaced)
  throw new Error(`not the plan expected: ${kinds}`);

const reads: number[] = [];
const plans: number[] = [];
for (let at = 0; at < 50; at++) {
  const { ms, result } = timed(() => read(wanted));
  reads.push(ms);
  plans.push(timed(() => plan(running, result)).ms);
}
const cold = { coldRead: first.ms, coldPlan: firstPlan.ms };
console.log(JSON.stringify({ ...cold, warmRead: median(reads), warmPlan: median(plans), kB: JSON.stringify(wanted).length / 1000 }));
