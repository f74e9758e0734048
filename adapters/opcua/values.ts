import { shortestFloat32 } from '../../model/float32.ts';
import type { RawValue, Scalar, ValueType } from '../../model/value.ts';
import { builtInNumber, ua, valueTypeOf } from './built-in-types.ts';

/** A Variant as node-opcua decodes it. The codec needs no more of the library than this shape. */
export interface VariantShape {
  /** Number of the built-in type. */
  readonly dataType: number;
  /** 0 a scalar, 1 an array, 2 a matrix, whose values stand row by row. */
  readonly arrayType: number;
  readonly value: unknown;
  readonly dimensions?: readonly number[] | null;
}

/** Writes a node id in the form that survives a restart; the library knows indexes only. */
export type NodeIdWriter = (nodeId: unknown) => string;

/** The value is there, but it is nothing that a reading can carry. */
export const unreadable: unique symbol = Symbol('unreadable');
export type Decoded = RawValue | undefined | typeof unreadable;

/** A DateTime as the library gives it: what is beyond the millisecond hangs on it, in picoseconds. */
type PreciseDate = Date & { readonly picoseconds?: number };

/** 1601-01-01, an encoded 0: "no time" (OPC UA Part 6 §5.2.2.5). */
export const noTimeMs = -11_644_473_600_000;

/** Decodes what came from the wire; undefined for null. */
export function decodeVariant(variant: VariantShape, writeNodeId: NodeIdWriter): Decoded {
  const { dataType, value } = variant;
  if (variant.arrayType === 0) {
    // The three that make up nearly all process values.
    if (dataType === ua.Double || dataType === ua.Boolean || dataType === ua.Int32) return value as number | boolean;
    return decodeScalar(dataType, value, writeNodeId);
  }
  return decodeArray(dataType, value, writeNodeId);
}

function decodeScalar(dataType: number, value: unknown, writeNodeId: NodeIdWriter): Decoded {
  if (value === null || value === undefined) return undefined;
  switch (dataType) {
    case ua.Null:
      return undefined;
    case ua.Float:
      return shortestFloat32(value as number);
    case ua.Int64:
      return int64(value);
    case ua.UInt64:
      return BigInt.asUintN(64, int64(value));
    case ua.DateTime:
      return isoTime(value as PreciseDate);
    case ua.ByteString:
      return value as Uint8Array;
    case ua.LocalizedText:
      return (value as { text: string | null }).text ?? undefined;
    case ua.QualifiedName:
      return (value as { name: string | null }).name ?? undefined;
    case ua.NodeId:
    case ua.ExpandedNodeId:
      return writeNodeId(value);
    case ua.StatusCode:
      return (value as { name: string }).name;
    case ua.Variant:
      return decodeVariant(value as VariantShape, writeNodeId);
    case ua.ExtensionObject:
    case ua.DataValue:
    case ua.DiagnosticInfo:
      return unreadable;
    default:
      return value as Scalar;
  }
}

function decodeArray(dataType: number, value: unknown, writeNodeId: NodeIdWriter): Decoded {
  if (value === null || value === undefined) return undefined;
  const elements = value as ArrayLike<unknown>;
  const decoded: Scalar[] = new Array(elements.length);
  for (let i = 0; i < elements.length; i++) {
    const element = decodeScalar(dataType, elements[i], writeNodeId);
    if (typeof element === 'symbol') return unreadable;
    // An array holds no holes; a null text is an empty one.
    if (element instanceof Uint8Array) decoded[i] = Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString('base64');
    else if (typeof element === 'object') return unreadable;
    else decoded[i] = element ?? '';
  }
  return decoded;
}

/** The library gives 64 bits as two unsigned halves, the high one first. */
function int64(value: unknown): bigint {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value);
  if (typeof value === 'number') return BigInt(value);
  const [high, low] = value as readonly [number, number];
  return BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
}

/** `2026-11-24T08:00:01.250Z`, with all seven decimals where the machine gave more than milliseconds. */
function isoTime(date: PreciseDate): string | undefined {
  const ms = date.getTime();
  if (!(ms > noTimeMs)) return undefined;
  const ticks = Math.floor((date.picoseconds ?? 0) / 100_000);
  const text = date.toISOString();
  return ticks === 0 ? text : `${text.slice(0, -1)}${String(ticks).padStart(4, '0')}Z`;
}

/** A structure after its type was looked up: fields by name, and the schema that types them. */
interface StructureShape {
  readonly [field: string]: unknown;
  readonly schema?: {
    readonly fields?: readonly { readonly name: string; readonly fieldType: string; readonly isArray?: boolean }[];
    readonly baseType?: string;
  };
}

export interface FieldValue {
  readonly value: Decoded;
  /** undefined where the structure's type does not say. */
  readonly type: ValueType | undefined;
}

/** Takes `motor.currents[2]` out of a structure; `unreadable` when there is no such field. */
export function decodeField(structure: unknown, path: string, writeNodeId: NodeIdWriter): FieldValue {
  let value = structure;
  let declared: string | undefined;
  let isArray = false;
  for (const step of path.split(/[.[]/)) {
    if (value === null || value === undefined) return { value: undefined, type: undefined };
    if (step.endsWith(']')) {
      value = (value as ArrayLike<unknown>)[Number(step.slice(0, -1))];
      isArray = false;
      continue;
    }
    if (typeof value !== 'object') return { value: unreadable, type: undefined };
    const inside = value as StructureShape;
    // The library writes field names with a small first letter, whatever the machine's own spelling.
    const name = [step, step.charAt(0).toLowerCase() + step.slice(1)].find((each) => Object.hasOwn(inside, each));
    if (name === undefined) return { value: unreadable, type: undefined };
    const field = inside.schema?.fields?.find((each) => each.name === name || each.name === step);
    declared = field?.fieldType;
    isArray = field?.isArray === true;
    value = inside[name];
  }
  return decodeDeclared(value, declared, isArray, writeNodeId);
}

function decodeDeclared(value: unknown, declared: string | undefined, isArray: boolean, writeNodeId: NodeIdWriter): FieldValue {
  const dataType = builtInNumber(declared?.replace(/^.*:/, '') ?? '');
  if (dataType !== undefined) {
    const decoded = isArray ? decodeArray(dataType, value, writeNodeId) : decodeScalar(dataType, value, writeNodeId);
    return { value: decoded, type: valueTypeOf[dataType] };
  }
  // An enumeration: the library gives its number.
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return { value, type: undefined };
  if (value === null || value === undefined) return { value: undefined, type: undefined };
  return { value: unreadable, type: undefined };
}
