import { compose, type Linear } from '../convert/linear.ts';
import { conversion, doubt, likelyUnit, parseUnit, type Unit } from '../convert/units.ts';
import type { PointContext } from './point-source.ts';

/** The unit that leaves, and the scaling with the conversion into it. */
export function compileUnit(
  point: PointContext,
  scaled: Linear,
  scalable: boolean,
  numeric: boolean,
  what: string,
): { readonly unit: string | undefined; readonly linear: Linear } {
  const written = point.keys.unit;
  if (written === undefined) return { unit: undefined, linear: scaled };
  const converts = typeof written === 'object';
  if (!numeric || (converts && !scalable)) {
    if (point.written('unit')) {
      const rule = converts ? 'scale-misplaced' : 'numbers-only';
      point.report('unit', {
        rule,
        severity: converts ? 'error' : 'warn',
        message: `unit: ${point.name} is ${what} and has no unit`,
        hint: 'remove unit',
      });
    }
    return { unit: undefined, linear: scaled };
  }
  if (!converts) {
    known(point, written);
    return { unit: written, linear: scaled };
  }
  const from = known(point, written.from, 'from');
  const to = known(point, written.to, 'to');
  const change = from && to && conversion(from, to);
  if (from && to && !change) {
    const message = `unit: ${written.from} does not become ${written.to}, they measure different things`;
    point.report('unit', { rule: 'unit-mismatch', message, hint: 'check both codes; a scale may be what is meant' });
  }
  return { unit: written.to, linear: change ? compose(scaled, change) : scaled };
}

function known(point: PointContext, code: string, side?: 'from' | 'to'): Unit | undefined {
  const unit = parseUnit(code);
  const key = side ? (['unit', side] as const) : 'unit';
  if (!unit) {
    const meant = likelyUnit(code);
    const quoted = meant && (/[[\]{}%,:#&*!|>'"@`]/.test(meant) || /^[\d.]+$/.test(meant)) ? `"${meant}"` : meant;
    const hint = quoted
      ? `did you mean ${quoted}?`
      : 'units are UCUM codes: Cel, bar, kW.h, m3/h; text of your own stands in braces: "{bottle}/min"';
    point.report(key, { rule: 'unknown-unit', message: `unit: "${code}" is not a unit`, hint });
    return undefined;
  }
  const [is, meant] = doubt(code) ?? [];
  if (is !== undefined)
    point.report(key, { rule: 'doubtful-unit', severity: 'warn', message: `unit: ${code} is ${is}`, hint: meant ?? '' });
  return unit;
}
