import { type Quality, qualities } from '../../model/quality.ts';
import type { Scalar, Value, ValueType } from '../../model/value.ts';
import { decimalOf, parseDecimal } from '../convert/rational.ts';
import type { Converted } from '../equipment.ts';

/** What a sample says must come out. An absent key is not looked at. */
export interface Expectation {
  readonly value?: unknown;
  readonly quality?: Quality;
  readonly status?: string;
}

const isQuality = (word: unknown): word is Quality => (qualities as readonly unknown[]).includes(word);

/**
 * Reads what stands behind a point in `expect:`. A plain value must come out good; `bad`, `uncertain` and `good` name a quality;
 * `{ value, quality, status }` names what it names. Undefined for anything else.
 */
export function readExpectation(written: unknown): Expectation | undefined {
  if (isQuality(written)) return { quality: written };
  if (typeof written !== 'object') return { value: written, quality: 'good' };
  if (written === null) return undefined;
  if (Array.isArray(written)) return { value: written, quality: 'good' };
  const { value, quality, status, ...rest } = written as Record<string, unknown>;
  if (
    Object.keys(rest).length > 0 ||
    (quality !== undefined && !isQuality(quality)) ||
    (status !== undefined && typeof status !== 'string')
  )
    return undefined;
  if (value === undefined && quality === undefined && status === undefined) return undefined;
  return { ...(value !== undefined && { value }), ...(quality !== undefined && { quality }), ...(status !== undefined && { status }) };
}

/** True when what came out is what was expected. An enum whose word is `bad` is met by either meaning. */
export function meets(expected: Expectation, written: unknown, out: Converted): boolean {
  if (typeof written === 'string' && out.value === written && out.quality === 'good') return true;
  if (expected.quality !== undefined && expected.quality !== out.quality) return false;
  if (expected.status !== undefined && expected.status !== (out.state?.status.name ?? 'Good')) return false;
  return !('value' in expected) || sameValue(expected.value, out.value, out.type);
}

function sameValue(expected: unknown, value: Value | undefined, type: ValueType | undefined): boolean {
  if (value === undefined) return expected === null;
  if (typeof value === 'object') {
    return (
      Array.isArray(expected) && expected.length === value.length && value.every((element, i) => sameScalar(expected[i], element, type))
    );
  }
  return sameScalar(expected, value, type);
}

function sameScalar(expected: unknown, value: Scalar, type: ValueType | undefined): boolean {
  if (typeof value === 'number') return sameNumber(expected, value);
  if (typeof value === 'bigint' || type === 'decimal') {
    // Unquoted, YAML has already made a double of it; it can only be asked for as much as a double carries.
    if (typeof expected === 'number' && !Number.isInteger(expected)) return Number(value) === expected;
    const [a, b] = [exactly(expected), exactly(value)];
    return a !== undefined && b !== undefined && a.n * b.d === b.n * a.d;
  }
  if (type === 'datetime' && typeof expected === 'string' && typeof value === 'string') return Date.parse(expected) === Date.parse(value);
  return expected === value;
}

function exactly(value: unknown): ReturnType<typeof parseDecimal> {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value))) return decimalOf(value);
  return typeof value === 'string' ? parseDecimal(value) : undefined;
}

/** A number with decimals is compared at the precision it is written in: 123.46 is met by 123.456. A whole one exactly. */
function sameNumber(expected: unknown, value: number): boolean {
  if (typeof expected === 'bigint') return BigInt(Number.isInteger(value) ? value : 0) === expected && Number.isInteger(value);
  if (typeof expected !== 'number') return typeof expected === 'string' && expected.trim() !== '' && Number(expected) === value;
  if (expected === value || Number.isInteger(expected)) return expected === value;
  const [mantissa = '', exponent = '0'] = String(expected).split('e');
  const decimals = (mantissa.split('.')[1]?.length ?? 0) - Number(exponent);
  return Math.abs(value - expected) <= 0.5 * 10 ** -decimals * (1 + 1e-9);
}

export function showExpectation({ value, quality, status }: Expectation): string {
  const parts = [
    value === undefined ? undefined : showValue(value),
    quality === 'good' && value !== undefined ? undefined : quality,
    status,
  ];
  return parts.filter((part) => part !== undefined).join(' ');
}

export function showValue(value: unknown): string {
  if (value instanceof Uint8Array) return `0x${Buffer.from(value.subarray(0, 32)).toString('hex')}${value.length > 32 ? '…' : ''}`;
  if (Array.isArray(value)) return `[${value.slice(0, 16).map(showValue).join(', ')}${value.length > 16 ? ', …' : ''}]`;
  return typeof value === 'string' ? `"${value.length > 80 ? `${value.slice(0, 79)}…` : value}"` : String(value);
}
