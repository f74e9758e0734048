/** A number as JSON writes it (RFC 8259 §6): no leading zeros, no plus, digits on both sides of the point. */
const jsonNumber = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export type ExactNumber = number | bigint | { readonly decimal: string };

/** The number that a text spells as JSON would; undefined for any other text. `007`, `+5` and `1,5` are text. */
export function numberOf(text: string): ExactNumber | undefined {
  return text.length <= 1100 && jsonNumber.test(text) ? exactNumber(text) : undefined;
}

/** Exponents beyond this are no measurement; they would make strings of a million zeros. */
const largestExponent = 1000;

/**
 * The value of a JSON number, as narrow as it can be without loss: a double, a bigint beyond 2^53, decimal digits where no double prints
 * the digits that were written. `0.10000000000000001`, as C and .NET print the double 0.1, is that double.
 */
export function exactNumber(source: string): ExactNumber {
  const value = Number(source);
  const length = source.length;
  if (length <= 15 && !/[eE]/.test(source)) return value;
  if (/^-?\d+$/.test(source)) return Number.isSafeInteger(value) ? value : BigInt(source);
  const [, mantissa = '', exponentText = '0'] = /^-?([\d.]+)(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  const digits = mantissa.replace('.', '').replace(/^0+/, '').replace(/0+$/, '');
  if (digits === '') return value;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > largestExponent) return value;
  if (Number.isFinite(value) && value !== 0 && digits.length <= 100) {
    const printed = Math.abs(value).toPrecision(digits.length).replace(/e.*$/, '').replace('.', '').replace(/^0+/, '').replace(/0+$/, '');
    // Underflow keeps some digits of the smallest doubles and loses their size with the others.
    if (printed === digits && Math.abs(value) >= 2.2250738585072014e-308) return value;
  }
  return { decimal: plainDecimal(source.startsWith('-'), mantissa, exponent) };
}

/** A number as JSON writes it, its exponent written out: `1.5e-3` is `0.0015`. */
export function decimalText(source: string): string {
  const [, mantissa = source, exponent = '0'] = /^-?([\d.]+)(?:[eE]([+-]?\d+))?$/.exec(source) ?? [];
  return plainDecimal(source.startsWith('-'), mantissa, Number(exponent));
}

/** Without an exponent, as decimal values leave. */
function plainDecimal(negative: boolean, mantissa: string, exponent: number): string {
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = whole + fraction;
  const point = whole.length + exponent;
  const padded = point <= 0 ? '0'.repeat(1 - point) + digits : digits.padEnd(point, '0');
  const at = Math.max(point, 1);
  const head = padded.slice(0, at).replace(/^0+(?=\d)/, '');
  const tail = padded.slice(at);
  return `${negative ? '-' : ''}${head}${tail === '' ? '' : `.${tail}`}`;
}
