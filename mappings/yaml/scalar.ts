/** What a plain scalar is in the core schema of YAML 1.2 (§10.3.2): null, boolean, number, else text. */
export function resolvePlain(source: string): null | boolean | number | string {
  const first = source.charCodeAt(0);
  const letter = first > 57 && first !== 126;
  if (letter && !/^[tTfFnN]/.test(source)) return source;
  if (letter) {
    if (/^(?:[Tt]rue|TRUE)$/.test(source)) return true;
    if (/^(?:[Ff]alse|FALSE)$/.test(source)) return false;
    return /^(?:[Nn]ull|NULL)$/.test(source) ? null : source;
  }
  if (/^[-+]?[0-9]+$/.test(source)) return Number.parseInt(source, 10);
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(source)) return Number.parseFloat(source);
  if (/^0x[0-9a-fA-F]+$/.test(source)) return Number.parseInt(source.slice(2), 16);
  if (/^0o[0-7]+$/.test(source)) return Number.parseInt(source.slice(2), 8);
  if (/^[-+]?\.(?:inf|Inf|INF)$/.test(source)) return source.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^\.(?:nan|NaN|NAN)$/.test(source)) return Number.NaN;
  return source === '' || source === '~' ? null : source;
}

/** A whole number beyond 2^53 with every digit that was written; others as they are. */
export function exactInteger(source: string, value: number): bigint | number {
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return value;
  try {
    return source.startsWith('-') ? -BigInt(source.slice(1)) : BigInt(source.replace(/^\+/, ''));
  } catch {
    // 1e300 is a number, and no integer that anyone wrote digit by digit.
    return value;
  }
}
