import { describe, expect, test } from 'vitest';
import type { Manifest, ModuleSpec, RunningModule } from '../contract.ts';
import { plan } from './plan.ts';
import { formatPlan } from './text.ts';

const spec = (name: string, more: Partial<ModuleSpec> = {}): ModuleSpec => ({
  name,
  version: '1.0',
  status: 'running',
  restartPolicy: 'always',
  imagePullPolicy: 'on-create',
  startupOrder: 4_294_967_295,
  env: {},
  image: `candyco/${name}:1`,
  createOptions: {},
  ...more,
});
const running = (of: ModuleSpec): RunningModule => ({ name: of.name, spec: of, imageId: 'sha256:1', runtimeStatus: of.status });
const wanted = (...specs: ModuleSpec[]): Pick<Manifest, 'modules'> => ({ modules: new Map(specs.map((one) => [one.name, one])) });

describe('the plan', () => {
  test('for an empty box pulls each image once, then makes the modules in their order', () => {
    const modules = wanted(spec('b', { image: 'candyco/x:1' }), spec('c', { startupOrder: 1 }), spec('a', { image: 'candyco/x:1' }));
    expect(formatPlan(plan([], modules))).toEqual([
      '< pull     candyco/c:1  for c',
      '< pull     candyco/x:1  for a, b',
      '+ create   c            it is new',
      '+ create   a            it is new',
      '+ create   b            it is new',
    ]);
  });

  test('touches only what changed, says why, and removes last', () => {
    const now = [spec('mixer'), spec('score'), spec('old'), spec('stopped', { status: 'stopped' }), spec('busy')].map(running);
    const next = wanted(
      spec('mixer', { image: 'candyco/mixer:2', env: { TOKEN: 'secret' } }),
      spec('score', { startupOrder: 5 }),
      spec('stopped'),
      spec('busy', { status: 'stopped' }),
    );
    const lines = formatPlan(plan(now, next));
    expect(lines).toEqual([
      '< pull     candyco/mixer:2  for mixer',
      '| stop     busy             it is to be stopped',
      '~ replace  mixer            image candyco/mixer:1 -> candyco/mixer:2; env TOKEN',
      '> start    stopped          it is to run',
      '- remove   old              it is in the deployment no more',
      '= keep     score',
    ]);
    expect(lines.join()).not.toContain('secret');
  });

  test('never pulls for imagePullPolicy never, and replaces what has no record', () => {
    const unknown: RunningModule = { name: 'a', spec: undefined, imageId: 'sha256:1', runtimeStatus: 'running' };
    expect(plan([unknown], wanted(spec('a', { imagePullPolicy: 'never' }))).steps).toEqual([
      { kind: 'replace', module: 'a', reason: 'nobody knows what it was made from' },
    ]);
  });

  test('the order of keys in create options changes nothing', () => {
    const now = spec('a', { createOptions: { Env: ['A=1'], HostConfig: { Memory: 1, Binds: ['/a:/b'] } } });
    const next = spec('a', { createOptions: { HostConfig: { Binds: ['/a:/b'], Memory: 1 }, Env: ['A=1'] } });
    expect(plan([running(now)], wanted(next)).steps).toEqual([]);
    const other = spec('a', { createOptions: { HostConfig: { Binds: ['/a:/c'], Memory: 1 }, Env: ['A=1'] } });
    expect(plan([running(now)], wanted(other)).steps.map((step) => 'reason' in step && step.reason)).toContain('createOptions HostConfig');
  });
});

/** What an engine holds after the steps, when each does what it says. */
function carriedOut(now: readonly RunningModule[], modules: Pick<Manifest, 'modules'>): RunningModule[] {
  const engine = new Map(now.map((module) => [module.name, module]));
  for (const step of plan(now, modules).steps) {
    if (step.kind === 'pull') continue;
    if (step.kind === 'remove') engine.delete(step.module);
    else engine.set(step.module, running(modules.modules.get(step.module)!));
  }
  return [...engine.values()];
}

test('whatever runs and whatever is wanted: after the steps that runs, and a second plan is empty', () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const any = (): ModuleSpec[] =>
    ['a', 'b', 'c', 'd', 'e']
      .filter(() => random(3) > 0)
      .map((name) =>
        spec(name, {
          image: `x:${random(2)}`,
          status: random(2) === 0 ? 'running' : 'stopped',
          env: random(2) === 0 ? {} : { A: String(random(2)) },
          startupOrder: random(3),
        }),
      );
  for (let round = 0; round < 2_000; round++) {
    const [now, next] = [any().map(running), wanted(...any())];
    const after = carriedOut(now, next);
    const { steps, keep } = plan(after, next);
    expect(steps).toEqual([]);
    expect(keep.toSorted()).toEqual([...next.modules.keys()].toSorted());
  }
});

test('200 modules are planned within 50 ms', () => {
  const options = { Env: Array.from({ length: 20 }, (_, n) => `V${n}=${n}`), HostConfig: { Binds: ['/a:/b'], Memory: 1 } };
  const specs = Array.from({ length: 200 }, (_, n) => spec(`m${n}`, { createOptions: options, startupOrder: n % 7 }));
  const next = wanted(...specs.map((one, n) => (n % 2 === 0 ? one : { ...one, image: 'x:2' })));
  const now = specs.map(running);
  plan(now, next);
  // Time of the processor: a neighbour on the machine must not fail it.
  const before = process.threadCpuUsage();
  expect(plan(now, next).steps).toHaveLength(101);
  const { user, system } = process.threadCpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(50);
});
