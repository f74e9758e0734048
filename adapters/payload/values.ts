import type { SampleState } from '../../model/sample.ts';
import type { RawValue, Scalar, ValueType } from '../../model/value.ts';
import { typeShape } from '../registers/types.ts';
import type { Tree } from './contract.ts';
import type { PayloadType } from './keys.ts';
import { decimalText, numberOf } from './numbers.ts';
import { doubtfulState, emptyState, mismatchState, rangeState } from './states.ts';
import { isoOf, type TimeReader } from './time.ts';

/** What became of a place of a message. One such object is filled again and again. */
export interface Taken {
  value: RawValue | undefined;
  state: SampleState | undefined;
  type: ValueType | undefined;
}

/** Fills `out` from what stands at the place; the node is there, it may be null. */
export type Take = (node: Tree, out: Taken) => void;

/** How texts are read: where a body knows nothing but text (csv, xml, text), one that spells a number is that number. */
export interface Reading {
  /** For reasons: `/temps/0`, `column temp`. */
  readonly shown: string;
  readonly textual: boolean;
  readonly decimalComma: boolean;
  /** How times are written. */
  readonly time: TimeReader;
}

/** The converter of a point: checks and converts to its type, or takes what the body says. */
export function takeOf(type: PayloadType | undefined, reading: Reading): Take {
  const scalar = type === undefined ? untyped(reading) : typed(type, reading);
  return (node, out) => {
    out.value = undefined;
    out.state = undefined;
    out.type = undefined;
    if (node === null || (node === '' && type !== 'string' && type !== 'bytes')) out.state = emptyState(reading.shown);
    else if (Array.isArray(node)) takeArray(node as readonly Tree[], scalar, reading, out);
    else scalar(node, out);
  };
}

function takeArray(nodes: readonly Tree[], scalar: Take, { shown }: Reading, out: Taken): void {
  const values: Scalar[] = [];
  let type: ValueType | undefined;
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i]!;
    out.value = undefined;
    if (node !== null && !Array.isArray(node)) scalar(node, out);
    if (out.value === undefined || typeof out.value === 'object') {
      const state = out.state ?? mismatchState(shown, node, 'a value');
      out.value = undefined;
      out.type = undefined;
      out.state = { ...state, reason: `element ${i}: ${state.reason}` };
      return;
    }
    // Numbers of several forms in one array leave in the widest of them.
    type = i === 0 || type === out.type ? out.type : out.type === 'decimal' || type === 'decimal' ? 'decimal' : type;
    values.push(out.value);
  }
  out.state = undefined;
  out.type = type;
  out.value = type === 'decimal' ? values.map(String) : values;
}

const firstUint64 = 0n;
const lastUint64 = 2n ** 64n - 1n;
const firstInt64 = -(2n ** 63n);
const lastInt64 = 2n ** 63n - 1n;

function setNumber(out: Taken, value: number | bigint | { readonly decimal: string }): void {
  if (typeof value === 'number') {
    out.value = value;
    out.type = 'float64';
  } else if (typeof value === 'bigint') {
    const fits = value >= firstInt64 && value <= lastUint64;
    out.value = fits ? value : String(value);
    out.type = !fits ? 'decimal' : value > lastInt64 ? 'uint64' : 'int64';
  } else {
    out.value = value.decimal;
    out.type = 'decimal';
  }
}

function untyped({ shown, textual, decimalComma }: Reading): Take {
  return (node, out) => {
    if (typeof node === 'string') {
      // Scales and readers end their texts with a line end.
      const text = textual && node.length <= longestNumber ? node.trim() : node;
      const number = textual ? spelled(text, decimalComma) : undefined;
      if (number !== undefined) setNumber(out, number);
      else if (textual && (text === 'true' || text === 'false')) setBoolean(out, text === 'true');
      else {
        out.value = node;
        out.type = 'string';
      }
    } else if (typeof node === 'number' || typeof node === 'bigint') setNumber(out, node);
    else if (typeof node === 'boolean') setBoolean(out, node);
    else if (node instanceof Uint8Array) {
      out.value = node;
      out.type = 'bytes';
    } else if (node !== null && 'decimal' in node) setNumber(out, node);
    else if (node !== null && 'timeMs' in node) {
      out.value = isoOf(node.timeMs, node.ticks);
      out.type = 'datetime';
      if (out.value === undefined) out.state = mismatchState(shown, node, 'a point in time');
    } else out.state = mismatchState(shown, node, 'a value; name a place within it');
  };
}

/** Characters; no number that anyone needs has more. */
const longestNumber = 1_100;

function setBoolean(out: Taken, value: boolean): void {
  out.value = value;
  out.type = 'bool';
}

function typed(type: PayloadType, reading: Reading): Take {
  const raw = type === 'decimal' || type === 'datetime' ? type : typeShape(type).raw;
  switch (raw) {
    case 'bool':
      return booleans(reading);
    case 'float32':
    case 'float64':
    case 'decimal':
      return fractions(raw, reading);
    case 'string':
      return texts(reading);
    case 'bytes':
      return byteStrings(reading);
    case 'datetime':
      return instants(reading, reading.time);
    default:
      return integers(raw, reading);
  }
}

const words: Readonly<Record<string, boolean>> = { true: true, false: false, on: true, off: false, '1': true, '0': false };

function booleans({ shown }: Reading): Take {
  return (node, out) => {
    const value =
      typeof node === 'boolean'
        ? node
        : typeof node === 'string'
          ? words[node.trim().toLowerCase()]
          : node === 1 || node === 1n
            ? true
            : node === 0 || node === 0n
              ? false
              : undefined;
    if (value === undefined) out.state = mismatchState(shown, node, 'true, false, on, off, 1 or 0');
    else setBoolean(out, value);
  };
}

/** The number that a node is or spells; undefined where it is none. */
function numeric(node: Tree, decimalComma: boolean): number | bigint | { readonly decimal: string } | undefined {
  if (typeof node === 'number' || typeof node === 'bigint') return node;
  if (typeof node === 'string') return spelled(node, decimalComma) ?? padded(node, decimalComma);
  return typeof node === 'object' && node !== null && 'decimal' in node ? node : undefined;
}

function spelled(text: string, decimalComma: boolean): ReturnType<typeof numberOf> {
  // Under a decimal comma a point could as well group thousands; `1.234` then is no number rather than the wrong one.
  if (!decimalComma) return numberOf(text);
  return text.includes('.') ? undefined : numberOf(text.replace(',', '.'));
}

/** Where the mapping says that it is a number, blanks around it, a plus and leading zeros are forgiven; so is NaN, which says "no value". */
function padded(text: string, decimalComma: boolean): ReturnType<typeof numberOf> {
  const trimmed = text.trim();
  if (/^[+-]?(nan|inf|infinity)$/i.test(trimmed)) return /nan/i.test(trimmed) ? Number.NaN : trimmed.startsWith('-') ? -Infinity : Infinity;
  return trimmed.length > longestNumber ? undefined : spelled(trimmed.replace(/^\+/, '').replace(/^(-?)0+(?=\d)/, '$1'), decimalComma);
}

const limits = new Map<ValueType, readonly [bigint, bigint]>(
  ([8, 16, 32, 64] as const).flatMap((bits) => {
    const size = 2n ** BigInt(bits);
    return [
      [`int${bits}`, [-size / 2n, size / 2n - 1n]],
      [`uint${bits}`, [firstUint64, size - 1n]],
    ] as [ValueType, [bigint, bigint]][];
  }),
);

function integers(type: ValueType, { shown, decimalComma }: Reading): Take {
  const [lowest, highest] = limits.get(type)!;
  const wide = type === 'int64' || type === 'uint64';
  const low = wide ? lowest : Number(lowest);
  const high = wide ? highest : Number(highest);
  return (node, out) => {
    const number = numeric(node, decimalComma);
    if (typeof number !== 'bigint' && !(typeof number === 'number' && Number.isInteger(number)))
      out.state = mismatchState(shown, node, `a whole number (${type})`);
    else if (number < low || number > high) out.state = rangeState(shown, node, type);
    else {
      // Adding zero turns the -0 that JSON can write into 0.
      out.value = wide ? BigInt(number) : Number(number) + 0;
      out.type = type;
    }
  };
}

function refuse(out: Taken, state: SampleState): void {
  out.value = undefined;
  out.type = undefined;
  out.state = state;
}

function fractions(type: 'float32' | 'float64' | 'decimal', { shown, decimalComma }: Reading): Take {
  return (node, out) => {
    const number = numeric(node, decimalComma);
    if (number === undefined) out.state = mismatchState(shown, node, `a number (${type})`);
    else if (type === 'decimal' && (typeof number !== 'number' || Number.isFinite(number))) {
      out.value = typeof number === 'object' ? number.decimal : decimalText(String(number));
      out.type = 'decimal';
    } else {
      out.value = Number(typeof number === 'object' ? number.decimal : number);
      out.type = type === 'decimal' ? 'float64' : type;
    }
  };
}

function texts({ shown }: Reading): Take {
  return (node, out) => {
    out.type = 'string';
    if (typeof node === 'string') out.value = node;
    else if (typeof node === 'number' || typeof node === 'bigint' || typeof node === 'boolean') out.value = String(node);
    else if (node !== null && 'decimal' in (node as object)) out.value = (node as { decimal: string }).decimal;
    else refuse(out, mismatchState(shown, node, 'a text'));
  };
}

function byteStrings({ shown }: Reading): Take {
  return (node, out) => {
    out.type = 'bytes';
    if (node instanceof Uint8Array) out.value = node;
    else if (typeof node === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(node) && node.length % 4 === 0)
      out.value = Uint8Array.from(Buffer.from(node, 'base64'));
    else refuse(out, mismatchState(shown, node, 'bytes in base64'));
  };
}

function instants({ shown }: Reading, read: TimeReader): Take {
  const instant = { timeMs: 0, ticks: 0, doubtful: false };
  return (node, out) => {
    out.type = 'datetime';
    const text = read(node, instant) ? isoOf(instant.timeMs, instant.ticks) : undefined;
    if (text === undefined) refuse(out, mismatchState(shown, node, 'a point in time'));
    else {
      out.value = text;
      if (instant.doubtful) out.state = doubtfulState(shown, node);
    }
  };
}
