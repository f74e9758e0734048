import type { Manifest, ModuleSpec, Plan, RunningModule, Step } from '../contract.ts';
import { differences } from './differences.ts';

/**
 * What has to happen so that what is wanted runs: all images first, then module by module in ascending startupOrder (by name where that is
 * equal), and at last the removal of what is not wanted any more. Pure; a plan for what already runs has no steps.
 */
export function plan(running: readonly RunningModule[], wanted: Pick<Manifest, 'modules'>): Plan {
  const now = new Map(running.map((module) => [module.name, module]));
  const pulls = new Map<string, string[]>();
  const steps: Step[] = [];
  const keep: string[] = [];
  for (const spec of inOrder(wanted.modules)) {
    const step = stepFor(spec, now.get(spec.name));
    if (!step) {
      keep.push(spec.name);
      continue;
    }
    steps.push(step);
    const makes = step.kind === 'create' || step.kind === 'replace';
    if (makes && spec.imagePullPolicy !== 'never') pulls.set(spec.image, [...(pulls.get(spec.image) ?? []), spec.name]);
  }
  const gone = running.filter(({ name }) => !wanted.modules.has(name)).map(({ name }) => name);
  return {
    steps: [
      ...[...pulls].map(([image, modules]): Step => ({ kind: 'pull', image, modules })),
      ...steps,
      ...gone.toSorted().map((module): Step => ({ kind: 'remove', module, reason: 'it is in the deployment no more' })),
    ],
    keep,
  };
}

function inOrder(modules: ReadonlyMap<string, ModuleSpec>): ModuleSpec[] {
  return [...modules.values()].sort((a, b) => a.startupOrder - b.startupOrder || (a.name < b.name ? -1 : 1));
}

function stepFor(spec: ModuleSpec, now: RunningModule | undefined): Step | undefined {
  const { name: module, status } = spec;
  if (!now) return { kind: 'create', module, reason: 'it is new' };
  if (!now.spec) return { kind: 'replace', module, reason: 'nobody knows what it was made from' };
  const changed = differences(now.spec, spec);
  if (changed.length > 0) return { kind: 'replace', module, reason: changed.join('; ') };
  if (now.spec.status === status) return undefined;
  return status === 'running' ? { kind: 'start', module, reason: 'it is to run' } : { kind: 'stop', module, reason: 'it is to be stopped' };
}
