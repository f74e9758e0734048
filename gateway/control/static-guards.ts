import { sameValues } from '../../mappings/convert/inverse.ts';
import type { CompiledPoint, WriteGuard } from '../../mappings/equipment.ts';
import { nearest } from '../../mappings/nearest.ts';
import type { RawValue, Scalar, Value } from '../../model/value.ts';
import { type Guard, type WriteRequest, type WriteTarget, type WriteTargets, writeOrigins, writePriorities } from './contract.ts';

export interface Refusal {
  readonly guard: Guard;
  readonly reason: string;
}

/** A request that the mapping allows. */
export interface Admitted {
  readonly target: WriteTarget;
  readonly point: CompiledPoint;
  readonly guard: WriteGuard;
  readonly raw: RawValue;
}

export function isRefusal(answer: object): answer is Refusal {
  return 'reason' in answer;
}

const longestKey = 200;

/** What does not depend on the state of the machine: the request itself, allow list, value and range. */
export function admit(request: WriteRequest, targets: WriteTargets): Admitted | Refusal {
  const target = targets.find(request.equipment);
  if (!target) return { guard: 'equipment', reason: `there is no machine ${request.equipment}${meant(request.equipment, targets.ids())}` };
  const point = target.points.find(({ name }) => name === request.point);
  const name = `${request.equipment}/${request.point}`;
  if (!point)
    return {
      guard: 'point',
      reason: `there is no point ${name}${meant(
        request.point,
        target.points.map((one) => one.name),
      )}`,
    };
  const { write, inverse } = point;
  if (!write || !inverse || point.pattern) return { guard: 'not-allowed', reason: `${name} may not be written: its mapping has no write:` };
  const written = inverse.toRaw(request.value);
  if ('refused' in written) return { guard: 'value', reason: `${name}: ${written.refused}` };
  const outside = rangeProblem(request.value, write);
  if (outside !== undefined) return { guard: 'range', reason: `${name}: ${outside}` };
  return { target, point, guard: write, raw: written.raw };
}

/** A request that is none. */
export function malformed({
  key,
  equipment,
  point,
  value,
  who,
  from,
  priority,
  expiresMs,
  deadline,
  askedMs,
}: WriteRequest): string | undefined {
  if (typeof key !== 'string' || key === '' || key.length > longestKey) return `the key must have 1 to ${longestKey} characters`;
  if (typeof equipment !== 'string' || typeof point !== 'string') return 'equipment and point must be names';
  if (typeof who !== 'string' || who === '') return 'it does not say who asks';
  if (!writeOrigins.includes(from)) return `it comes from none of ${writeOrigins.join(', ')}`;
  if (priority !== undefined && !writePriorities.includes(priority)) return `the priority is none of ${writePriorities.join(', ')}`;
  if (!isValue(value)) return 'the value must be a number, a text, true or false, or a list of them';
  if (expiresMs !== undefined && !(expiresMs >= 0)) return 'expiresMs must be a number of milliseconds';
  if (deadline !== undefined && !Number.isFinite(deadline)) return 'the deadline must be a time';
  if (askedMs !== undefined && !Number.isFinite(askedMs)) return 'askedMs must be a time';
  return undefined;
}

function isValue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length <= 2000 && value.every((one) => !Array.isArray(one) && isValue(one));
  return ['number', 'bigint', 'boolean'].includes(typeof value) || (typeof value === 'string' && value.length <= 10_000);
}

function rangeProblem(value: Value, { min, max }: WriteGuard): string | undefined {
  for (const one of (Array.isArray(value) ? value : [value]) as readonly Scalar[]) {
    const number = Number(one);
    if (min !== undefined && number < min) return `${one} is below min, ${min}`;
    if (max !== undefined && number > max) return `${one} is above max, ${max}`;
  }
  return undefined;
}

function meant(written: string, known: readonly string[]): string {
  const near = nearest(written, known);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** The same request, so that a key stands for it. */
export function sameRequest(
  a: Pick<WriteRequest, 'equipment' | 'point' | 'value'>,
  b: Pick<WriteRequest, 'equipment' | 'point' | 'value'>,
): boolean {
  return a.equipment === b.equipment && a.point === b.point && sameValues(a.value, b.value);
}
