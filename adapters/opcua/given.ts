import type { PlacedPoint, RawSample, SampleReport } from '../../mappings/language.ts';
import type { OpcuaAddress } from './address.ts';
import { builtInNumber, builtInTypes, ua } from './built-in-types.ts';
import { formatNodeText, isBadText, parseNodeText } from './node-text.ts';
import { compilePart, type outside } from './part.ts';
import { type Decoded, decodeVariant, unreadable, type VariantShape } from './values.ts';

/** The long form of an entry: `{ value: "1311768468603649775", type: UInt64, status: Good }`. */
interface Given {
  readonly value: unknown;
  readonly type?: string;
  readonly status?: string;
}

const asWritten = (nodeId: unknown): string => String(nodeId);

/**
 * Turns the `given` of a sample into raw values. Keys are nodes as in `at`; a value stands alone or as `{ value, type, status }`.
 * With `type` it passes through the codec of the wire; without, it is taken as the machine's value as it is.
 */
export function decodeGiven(
  given: Readonly<Record<string, unknown>>,
  points: readonly PlacedPoint<OpcuaAddress>[],
  _settings: unknown,
  report: SampleReport,
): ReadonlyMap<string, RawSample> {
  const byNode = Map.groupBy(points, (point) => formatNodeText(point.address.node));
  const samples = new Map<string, RawSample>();
  for (const [key, entry] of Object.entries(given)) {
    const node = parseNodeText(key);
    if (isBadText(node)) {
      report(key, { rule: node.rule, message: `given "${key}": ${node.message}`, ...(node.hint && { hint: node.hint }) });
      continue;
    }
    const name = formatNodeText(node);
    const targets = byNode.get(name);
    if (!targets) {
      report(key, {
        rule: 'given-unknown',
        message: `no point is at ${name}`,
        hint: `Points are at ${[...byNode.keys()].slice(0, 3).join(', ')}`,
      });
      continue;
    }
    const value = longForm(entry);
    const wrong = problemOf(value);
    if (wrong) {
      report(key, { rule: 'given-value', message: `given "${key}": ${wrong}` });
      continue;
    }
    for (const point of targets) {
      const raw = rawOf(value, point.address);
      if (typeof raw === 'symbol') report(key, { rule: 'given-value', message: `given "${key}": ${point.name} finds no value in it` });
      else samples.set(point.name, { raw, shown: shown(name, value, raw) });
    }
  }
  return samples;
}

function longForm(entry: unknown): Given {
  const isLong = typeof entry === 'object' && entry !== null && !Array.isArray(entry) && ('value' in entry || 'status' in entry);
  return isLong ? { value: undefined, ...(entry as Partial<Given>) } : { value: entry };
}

function problemOf({ value, type, status }: Given): string | undefined {
  if (status !== undefined && !/^(Good|Uncertain|Bad)\w*$/.test(String(status))) return `status "${status}" is not an OPC UA status name`;
  if (type === undefined) return undefined;
  const dataType = builtInNumber(String(type));
  if (dataType === undefined) return `type "${type}" is not a built-in type; known: ${builtInTypes.slice(1, 22).join(', ')}`;
  for (const each of Array.isArray(value) ? value : [value]) {
    if (!fits(dataType, each)) return `${String(each)} is not a value of type ${type}`;
  }
  return undefined;
}

const whole: Readonly<Record<number, readonly [bigint, bigint]>> = {
  [ua.SByte]: [-(2n ** 7n), 2n ** 7n - 1n],
  [ua.Byte]: [0n, 2n ** 8n - 1n],
  [ua.Int16]: [-(2n ** 15n), 2n ** 15n - 1n],
  [ua.UInt16]: [0n, 2n ** 16n - 1n],
  [ua.Int32]: [-(2n ** 31n), 2n ** 31n - 1n],
  [ua.UInt32]: [0n, 2n ** 32n - 1n],
  [ua.Int64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [ua.UInt64]: [0n, 2n ** 64n - 1n],
};

function fits(dataType: number, value: unknown): boolean {
  if (value === null || value === undefined) return true;
  const range = whole[dataType];
  if (range) {
    if (!/^-?\d+$/.test(String(value)) || (typeof value === 'number' && !Number.isSafeInteger(value))) return false;
    const integer = BigInt(String(value));
    return integer >= range[0] && integer <= range[1];
  }
  switch (dataType) {
    case ua.Boolean:
      return typeof value === 'boolean';
    case ua.Float:
    case ua.Double:
      return typeof value === 'number';
    case ua.DateTime:
      return !Number.isNaN(Date.parse(String(value)));
    case ua.ExtensionObject:
      return typeof value === 'object';
    default:
      return typeof value === 'string';
  }
}

function rawOf({ value, type, status }: Given, address: OpcuaAddress): Decoded | typeof outside {
  if (status?.startsWith('Bad') || value === null || value === undefined) return undefined;
  const dataType = builtInNumber(type ?? '');
  const part = compilePart(address);
  // A plain number given for a point with `index` or `field` stands for the part itself.
  if (part && typeof value === 'object') return part.take(variantOf(dataType, value), asWritten).value;
  return dataType === undefined ? plain(value) : decodeVariant(variantOf(dataType, value), asWritten);
}

function variantOf(dataType: number | undefined, value: unknown): VariantShape {
  if (!Array.isArray(value))
    return { dataType: dataType ?? ua.ExtensionObject, arrayType: 0, value: dataType === undefined ? value : toWire(dataType, value) };
  return {
    dataType: dataType ?? ua.Double,
    arrayType: 1,
    value: dataType === undefined ? value : value.map((each) => toWire(dataType, each)),
  };
}

function plain(value: unknown): Decoded {
  if (Array.isArray(value)) return value.every((each) => typeof each !== 'object') ? value : unreadable;
  if (value instanceof Date) return value.toISOString();
  return typeof value === 'object' ? unreadable : (value as Decoded);
}

/** As the library would have handed it over. */
function toWire(dataType: number, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (dataType) {
    case ua.Float:
      return Math.fround(value as number);
    case ua.Int64:
    case ua.UInt64: {
      const bits = BigInt.asUintN(64, BigInt(String(value)));
      return [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
    }
    case ua.DateTime:
      return preciseDate(String(value));
    case ua.ByteString:
      return Buffer.from(String(value), 'base64');
    case ua.LocalizedText:
      return { text: value };
    case ua.QualifiedName:
    case ua.StatusCode:
      return { name: value };
    default:
      return whole[dataType] ? Number(value) : value;
  }
}

function preciseDate(text: string): Date {
  const beyond = /\.\d{3}(\d{1,4})/.exec(text)?.[1] ?? '';
  return Object.assign(new Date(text), { picoseconds: Number(beyond.padEnd(4, '0')) * 100_000 });
}

function shown(node: string, { value, type, status }: Given, raw: Decoded): string {
  const form = type ?? (Array.isArray(value) ? 'array' : typeof value);
  return `${node} = ${raw === undefined ? (status ?? 'no value') : String(raw)}${raw === undefined ? '' : `, ${form}`}`;
}
