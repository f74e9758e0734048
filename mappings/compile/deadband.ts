import { deadbandOf } from '../convert/deadband.ts';
import { decimalOf, multiply, rational, subtract, toNumber } from '../convert/rational.ts';
import type { Deadband } from '../equipment.ts';
import type { PointContext } from './point-source.ts';

const shared = new Map<number, Deadband>();

function ofWidth(width: number): Deadband {
  const known = shared.get(width);
  if (known) return known;
  if (shared.size >= 10_000) shared.clear();
  const deadband = deadbandOf(width);
  shared.set(width, deadband);
  return deadband;
}

/** The deadband in the unit that leaves; percent is of the span of `range`. */
export function compileDeadband(point: PointContext, numeric: boolean): Deadband | undefined {
  const { deadband, range } = point.keys;
  if (deadband === undefined || !numeric) return undefined;
  if (deadband.percent && range === undefined) {
    const message = `deadband: ${deadband.size}% of what? ${point.name} has no range`;
    point.report('deadband', {
      rule: 'deadband-without-range',
      message,
      hint: 'add range: [lowest, highest], or write the deadband in the unit of the value',
    });
    return undefined;
  }
  const span = range && subtract(decimalOf(range[1]), decimalOf(range[0]));
  const width = deadband.percent && span ? toNumber(multiply(span, multiply(decimalOf(deadband.size), rational(1n, 100n)))) : deadband.size;
  if (span && width > 0 && width >= toNumber(span) && toNumber(span) > 0) {
    const message = `deadband: ${width} is as wide as the whole range; hardly any change would be reported`;
    point.report('deadband', { rule: 'deadband-too-wide', severity: 'warn', message, hint: 'write a part of the range' });
  }
  return ofWidth(Math.max(0, width));
}
