import { isTwinObject, type TwinObject, type TwinSection } from './section.ts';

/** Bytes of a section, counted by {@link sectionSize}: `$version` and `$metadata` are free. */
export const maxSectionBytes: Readonly<Record<TwinSection, number>> = { tags: 8 * 1024, desired: 32 * 1024, reported: 32 * 1024 };
/** Objects and arrays inside each other; the section itself is not counted. */
export const maxDepth = 10;
export const maxKeyBytes = 1024;
export const maxTextBytes = 4096;
export const minInteger = -(2 ** 52);
export const maxInteger = 2 ** 52 - 1;

export const twinRefusals = [
  'not-an-object',
  'too-large',
  'too-deep',
  'bad-key',
  'key-too-long',
  'text-too-long',
  'integer-out-of-range',
  'misplaced-null',
  'not-json',
] as const;
export type TwinRefusalCode = (typeof twinRefusals)[number];

/** Why a section or patch cannot stand in a twin. */
export interface TwinRefusal {
  readonly code: TwinRefusalCode;
  /** `machines.cooker-1.points[3]`; empty for the section as a whole. */
  readonly path: string;
  readonly message: string;
}

/** The first thing that forbids this section, rules before size; undefined when the service would keep it. */
export function checkSection(value: unknown, section: TwinSection): TwinRefusal | undefined {
  const refusal = check(value, false);
  if (refusal) return refusal;
  const sizeBytes = sectionSize(value as TwinObject);
  const limit = maxSectionBytes[section];
  if (sizeBytes <= limit) return undefined;
  return { code: 'too-large', path: '', message: `${section} would have ${sizeBytes} bytes; a twin keeps at most ${limit}` };
}

/** The same for a merge patch: nulls may stand for keys that go. Its size says nothing, that of the merged section counts. */
export function checkPatch(value: unknown): TwinRefusal | undefined {
  return check(value, true);
}

/**
 * Bytes as the service counts them: keys and texts in UTF-8 without control characters, 8 for a number, 4 for true or false,
 * and for an object or array what is in it.
 */
export function sectionSize(value: unknown): number {
  if (typeof value === 'string') return textSize(value);
  if (typeof value === 'number') return 8;
  if (typeof value === 'boolean') return 4;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + sectionSize(item), 0);
  if (!isTwinObject(value)) return 0;
  let size = 0;
  for (const key of Object.keys(value)) size += textSize(key) + sectionSize(value[key]);
  return size;
}

function check(value: unknown, patch: boolean): TwinRefusal | undefined {
  if (!isTwinObject(value)) return { code: 'not-an-object', path: '', message: `${kindOf(value)} is not a JSON object` };
  return checkObject(value, '', 0, patch);
}

function checkObject(object: TwinObject, path: string, level: number, nulls: boolean): TwinRefusal | undefined {
  for (const key of Object.keys(object)) {
    const at = path === '' ? shortened(key) : `${path}.${shortened(key)}`;
    const refusal = checkKey(key, at) ?? checkValue(object[key], at, level + 1, nulls);
    if (refusal) return refusal;
  }
  return undefined;
}

function checkValue(value: unknown, path: string, level: number, nulls: boolean): TwinRefusal | undefined {
  if (value === null) {
    return nulls
      ? undefined
      : { code: 'misplaced-null', path, message: 'null only removes a key of an object; it cannot be kept, and not stand in an array' };
  }
  if (typeof value === 'boolean') return undefined;
  if (typeof value === 'number') return checkNumber(value, path);
  if (typeof value === 'string') return checkText(value, path);
  const isArray = Array.isArray(value);
  if (!isArray && !isTwinObject(value)) return { code: 'not-json', path, message: `${kindOf(value)} has no form in JSON` };
  // Before going in: what comes from outside may be nested a hundred thousand levels deep.
  if (level > maxDepth)
    return { code: 'too-deep', path: shortened(path, 80), message: `more than ${maxDepth} levels of objects and arrays` };
  if (!isArray) return checkObject(value as TwinObject, path, level, nulls);
  for (const [index, item] of value.entries()) {
    const refusal = checkValue(item, `${path}[${index}]`, level + 1, false);
    if (refusal) return refusal;
  }
  return undefined;
}

function checkKey(key: string, path: string): TwinRefusal | undefined {
  if (Buffer.byteLength(key) > maxKeyBytes) return { code: 'key-too-long', path, message: `a key has at most ${maxKeyBytes} bytes` };
  const wrong = /[\s.$\p{Cc}]/u.exec(key)?.[0];
  if (wrong === undefined) return undefined;
  return { code: 'bad-key', path, message: `${JSON.stringify(shortened(key))}: a key holds no ${nameOf(wrong)}` };
}

function checkNumber(value: number, path: string): TwinRefusal | undefined {
  if (!Number.isFinite(value)) return { code: 'not-json', path, message: `${value} has no form in JSON` };
  // From 1e21 on JSON.stringify writes an exponent, and then the service reads a floating-point number.
  const isInteger = Number.isInteger(value) && Math.abs(value) < 1e21;
  if (!isInteger || (value >= minInteger && value <= maxInteger)) return undefined;
  return { code: 'integer-out-of-range', path, message: `${value} is not within ${minInteger} and ${maxInteger}; write it as a text` };
}

function checkText(value: string, path: string): TwinRefusal | undefined {
  // No code unit has more than three bytes.
  if (value.length * 3 <= maxTextBytes) return undefined;
  const bytes = Buffer.byteLength(value);
  return bytes <= maxTextBytes
    ? undefined
    : { code: 'text-too-long', path, message: `a text has at most ${maxTextBytes} bytes, this one ${bytes}` };
}

const controlCharacters = /\p{Cc}/gu;

function textSize(text: string): number {
  return Buffer.byteLength(text.search(controlCharacters) < 0 ? text : text.replace(controlCharacters, ''));
}

function nameOf(character: string): string {
  if (character === '.' || character === '$') return `"${character}"`;
  return /\s/.test(character) ? 'white space' : 'control characters';
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return value === undefined ? 'undefined' : `a ${typeof value}`;
}

const shortened = (text: string, length = 40): string => (text.length <= length ? text : `${text.slice(0, length)}…`);
