import type { Plan, Step } from '../contract.ts';

const sign: Readonly<Record<Step['kind'], string>> = { pull: '<', create: '+', replace: '~', start: '>', stop: '|', remove: '-' };

/** The plan for people, a line a step: `~ replace  mixer   image mixer:1 -> mixer:2`. */
export function formatPlan({ steps, keep }: Plan): readonly string[] {
  const width = Math.max(0, ...steps.map((step) => subject(step).length));
  const lines = steps.map((step) => `${sign[step.kind]} ${step.kind.padEnd(7)}  ${subject(step).padEnd(width)}  ${why(step)}`.trimEnd());
  const kept = keep.length === 0 ? [] : [`= keep     ${keep.join(', ')}`];
  return steps.length === 0 ? ['nothing to do', ...kept] : [...lines, ...kept];
}

const subject = (step: Step): string => (step.kind === 'pull' ? step.image : step.module);
const why = (step: Step): string => (step.kind === 'pull' ? `for ${step.modules.join(', ')}` : step.reason);
