import type { SampleState } from '../../model/sample.ts';
import type { RawValue, Scalar, Value, ValueType } from '../../model/value.ts';
import type { Converted, Converter } from '../equipment.ts';
import { enumStep, fieldStep, flagsStep, invalidTest } from './integers.ts';
import { decimalMap, linearMap } from './linear.ts';
import { type Meaning, meaningKey } from './meaning.ts';
import { parseDecimal } from './rational.ts';
import { found } from './states.ts';

function bad(out: Converted, state: SampleState): Converted {
  out.value = undefined;
  out.type = undefined;
  out.quality = 'bad';
  out.state = state;
  return out;
}

/** Good, or what the machine said; of two uncertain states the machine's stays, as it was there first. */
function usable(
  out: Converted,
  value: Value,
  type: ValueType | undefined,
  machine: SampleState | undefined,
  own: SampleState | undefined,
): Converted {
  out.value = value;
  out.type = type;
  if (machine !== undefined && machine.status.code >>> 30 === 1) {
    out.quality = 'uncertain';
    out.state = machine;
  } else {
    out.quality = own === undefined ? 'good' : 'uncertain';
    out.state = own ?? machine;
  }
  return out;
}

const isBad = (state: SampleState): boolean => state.status.code >>> 31 === 1;

/** The type of a bigint: what the machine's side says, else the narrower that holds it. */
function bigType(rawType: ValueType | undefined, raw: bigint): ValueType {
  if (rawType === 'int64' || rawType === 'uint64') return rawType;
  return raw > 0x7fff_ffff_ffff_ffffn ? 'uint64' : 'int64';
}

const shared = new Map<string, Converter>();

/** The converter for a meaning. Points that mean the same share it, so that ten thousand plain points cost one function. */
export function converterOf(meaning: Meaning): Converter {
  const key = meaningKey(meaning);
  const known = shared.get(key);
  if (known) return known;
  const converter = build(meaning);
  // A long-lived gateway reloads many times; what was edited away must not stay for ever.
  if (shared.size >= 50_000) shared.clear();
  shared.set(key, converter);
  return converter;
}

function build(meaning: Meaning): Converter {
  const scalar = meaning.flags
    ? flagsConverter(meaning)
    : meaning.field || meaning.enum
      ? wordConverter(meaning)
      : numberConverter(meaning);
  const isInvalid = meaning.invalid && invalidTest(meaning.invalid);
  const elements = elementConverter(
    scalar,
    isInvalid,
    !!(meaning.flags || meaning.field || meaning.enum || meaning.linear || meaning.round !== undefined),
  );
  return (raw, rawType, state, out) => {
    if (state !== undefined && isBad(state)) return bad(out, state);
    if (typeof raw === 'object') return elements(raw, rawType, state, out);
    if (raw === undefined) return bad(out, state ?? found.missing);
    if (isInvalid?.(raw)) return bad(out, found.invalid);
    return scalar(raw, rawType, state, out);
  };
}

type ScalarConverter = (raw: Scalar, rawType: ValueType | undefined, state: SampleState | undefined, out: Converted) => Converted;

function numberConverter({ linear, round, range, measured }: Meaning): ScalarConverter {
  const map = linear || round !== undefined ? linearMap(linear ?? identityMap, round) : undefined;
  const numeric = map !== undefined;
  const decimal = decimalMap(linear ?? identityMap, round);
  const lowest = range?.[0] ?? Number.NEGATIVE_INFINITY;
  const highest = range?.[1] ?? Number.POSITIVE_INFINITY;
  // A range alone does not make text wrong: where only the machine knows the type, it judges numbers only.
  return (raw, rawType, state, out) => {
    if (typeof raw === 'number') {
      if (!Number.isFinite(raw)) return bad(out, Number.isNaN(raw) ? found.notANumber : found.infinite);
      const value = map === undefined ? raw : map.number(raw);
      if (!Number.isFinite(value)) return bad(out, found.overflow);
      return usable(out, value, undefined, state, value < lowest || value > highest ? found.outside : undefined);
    }
    if (typeof raw === 'bigint') {
      // Rounding decimals says nothing about a whole number.
      const value = linear === undefined || map === undefined ? raw : map.bigint(raw);
      const comparable = typeof value === 'string' ? Number(value) : value;
      const own = comparable < lowest || comparable > highest ? found.outside : undefined;
      const type = typeof value === 'bigint' ? bigType(rawType, raw) : typeof value === 'string' ? 'decimal' : undefined;
      return usable(out, value, type, state, own);
    }
    if (typeof raw === 'string' && rawType === 'decimal') {
      const value = numeric ? decimal(raw) : parseDecimal(raw) && raw;
      if (value === undefined) return bad(out, found.notNumeric);
      const comparable = Number(value);
      const own = comparable < lowest || comparable > highest ? found.outside : undefined;
      return usable(out, value, typeof value === 'string' ? 'decimal' : undefined, state, own);
    }
    if (numeric || (measured && typeof raw === 'string')) return bad(out, found.notNumeric);
    return usable(out, raw, rawType === 'datetime' ? rawType : undefined, state, undefined);
  };
}

const identityMap = { factor: { n: 1n, d: 1n }, offset: { n: 0n, d: 1n } };

function flagsConverter({ flags = [] }: Meaning): ScalarConverter {
  const step = flagsStep(flags);
  return (raw, _rawType, state, out) => {
    const names = step(raw);
    return names === undefined ? bad(out, found.notInteger) : usable(out, names, undefined, state, undefined);
  };
}

function wordConverter({ field, enum: words }: Meaning): ScalarConverter {
  const extract = field && fieldStep(field);
  const word = words && enumStep(words);
  return (raw, rawType, state, out) => {
    const bits = extract ? extract(raw) : raw;
    if (bits === undefined || typeof bits === 'string') return bad(out, found.notInteger);
    if (!word) return usable(out, bits, typeof bits === 'bigint' ? 'uint64' : undefined, state, undefined);
    if (typeof bits === 'number' && !Number.isFinite(bits)) return bad(out, Number.isNaN(bits) ? found.notANumber : found.infinite);
    const text = word(bits);
    if (text !== undefined) return usable(out, text, undefined, state, undefined);
    return usable(out, bits, typeof bits === 'bigint' ? bigType(extract ? 'uint64' : rawType, bits) : undefined, state, found.unlisted);
  };
}

type ListConverter = (
  raw: Exclude<RawValue, Scalar>,
  rawType: ValueType | undefined,
  state: SampleState | undefined,
  out: Converted,
) => Converted;

/** Lists element by element; one bad element makes the whole bad, for a list has no place for "no value". Bytes leave as base64. */
function elementConverter(scalar: ScalarConverter, isInvalid: ((raw: Scalar) => boolean) | undefined, numeric: boolean): ListConverter {
  return (raw, rawType, state, out) => {
    if (raw instanceof Uint8Array) {
      if (numeric) return bad(out, found.notNumeric);
      return usable(out, Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('base64'), 'bytes', state, undefined);
    }
    if (raw === null || !Array.isArray(raw)) return bad(out, state ?? found.missing);
    const values: Scalar[] = [];
    let type: ValueType | undefined;
    let own: SampleState | undefined;
    for (const element of raw as readonly unknown[]) {
      if (element === undefined || element === null || typeof element === 'object' || typeof element === 'function')
        return bad(out, found.notNumeric);
      if (isInvalid?.(element as Scalar)) return bad(out, found.invalid);
      scalar(element as Scalar, rawType, undefined, out);
      if (out.quality === 'bad' || out.value === undefined) return out;
      if (Array.isArray(out.value)) return bad(out, found.notNumeric);
      own ??= out.state;
      if (out.type !== undefined && type !== 'uint64') type = out.type;
      values.push(out.value as Scalar);
    }
    return usable(out, values, type, state, own);
  };
}
