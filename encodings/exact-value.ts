import { z } from 'zod';
import type { TelemetryReading } from '../model/telemetry.ts';

/** Setting of the encodings that write JSON numbers. */
export const large = z
  .enum(['text', 'number'])
  .default('text')
  .describe('int64, uint64 and decimal: text arrives exactly everywhere; number has all its digits too, but most readers round it');
export type Large = z.output<typeof large>;

const largeTypes: ReadonlySet<string | undefined> = new Set(['int64', 'uint64', 'decimal']);
const numeral = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Whether a text is a number that JSON's own would round. */
export function isLarge(value: unknown, type: TelemetryReading['type']): value is string {
  return largeTypes.has(type) && typeof value === 'string' && numeral.test(value);
}

/** The JSON of a value. */
export function jsonOf(value: NonNullable<TelemetryReading['value']>, type: TelemetryReading['type'], form: Large): string {
  if (typeof value === 'number') return String(value);
  if (form === 'number' && largeTypes.has(type)) {
    if (isLarge(value, type)) return value;
    if (Array.isArray(value)) return `[${value.map((element) => jsonOf(element, type, form)).join(',')}]`;
  }
  return JSON.stringify(value);
}
