import { formatDuration } from '../../mappings/duration.ts';
import type { Reading } from '../../model/reading.ts';
import type { Scalar, Value } from '../../model/value.ts';
import type { Sent } from './history.ts';
import type { Admitted, Refusal } from './static-guards.ts';

/** One write every so often, counted from the last one that was sent, on the monotonic clock. */
export function rateGuard({ point, guard }: Admitted, sent: Sent | undefined, nowMono: number): Refusal | undefined {
  const { atMostEveryMs } = guard;
  if (atMostEveryMs === undefined || !sent) return undefined;
  const since = nowMono - sent.mono;
  if (since >= atMostEveryMs) return undefined;
  const wait = formatDuration(Math.ceil(atMostEveryMs - since));
  return {
    guard: 'rate',
    reason: `${point.name} was written ${Math.round(since)} ms ago, and one write every ${formatDuration(atMostEveryMs)} is allowed; in ${wait} it may be`,
  };
}

/**
 * The change against the latest good value, and against what was written since that one was read. A machine that tells changes only may never
 * confirm what it ignored: after `staleAfter` the reading counts alone again.
 */
export function stepGuard({ target, point, guard }: Admitted, value: Value, sent: Sent | undefined, nowMono: number): Refusal | undefined {
  const { maxStep } = guard;
  if (maxStep === undefined) return undefined;
  const reading = target.reading(point.name);
  if (reading?.quality !== 'good' || reading.value === undefined) {
    return { guard: 'step', reason: `the present value of ${point.name} is not known (${whyNot(reading)}), so the step cannot be judged` };
  }
  const from = [
    reading.value,
    ...(sent && sent.wallMs >= reading.receivedMs && nowMono - sent.mono < point.staleAfterMs ? sent.values : []),
  ];
  for (const one of from) {
    const step = distance(one, value);
    // Doubles miss decimals by a unit in the last place.
    if (step === undefined || step > maxStep * (1 + 1e-12)) {
      const size = step === undefined ? 'no step that can be judged' : `a step of ${round(step)}`;
      return { guard: 'step', reason: `${point.name}: from ${one} to ${value} is ${size}; maxStep allows ${maxStep}` };
    }
  }
  return undefined;
}

const listOf = (value: Value): readonly Scalar[] => (typeof value === 'object' ? value : [value]);

function distance(from: Value, to: Value): number | undefined {
  const [a, b] = [listOf(from), listOf(to)];
  if (a.length !== b.length) return undefined;
  const steps = a.map((one, i) => Math.abs(Number(b[i]) - Number(one)));
  return steps.every(Number.isFinite) ? Math.max(...steps) : undefined;
}

const round = (step: number): number => Number(step.toPrecision(12));

/** Holds only when it is known to hold: a point without a good value refuses. */
export function interlockGuard({ target, point, guard }: Admitted): Refusal | undefined {
  const { condition, onlyWhen } = guard;
  if (onlyWhen === undefined) return undefined;
  if (!condition) return { guard: 'interlock', reason: `onlyWhen of ${point.name} was not compiled` };
  const readings = condition.uses.map((name) => target.reading(name));
  const unknown = readings.findIndex((reading) => reading?.quality !== 'good' || reading.value === undefined);
  if (unknown >= 0) {
    const name = condition.uses[unknown];
    return {
      guard: 'interlock',
      reason: `onlyWhen ${onlyWhen} cannot be decided: ${name} has no good value (${whyNot(readings[unknown])})`,
    };
  }
  const result = condition.evaluate(readings.map((reading) => reading!.value));
  if (result === true) return undefined;
  const shown = condition.uses.map((name, i) => `${name} is ${readings[i]!.value}`).join(', ');
  return { guard: 'interlock', reason: `onlyWhen ${onlyWhen} ${result === false ? 'does not hold' : 'cannot be decided'}: ${shown}` };
}

function whyNot(reading: Reading | undefined): string {
  if (!reading) return 'it was not read yet';
  return reading.reason ?? reading.status;
}
