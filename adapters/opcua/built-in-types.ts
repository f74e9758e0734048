import type { ValueType } from '../../model/value.ts';

/** The built-in types by their numbers (OPC UA Part 6 §5.1.2). */
export const builtInTypes = [
  'Null', 'Boolean', 'SByte', 'Byte', 'Int16', 'UInt16', 'Int32', 'UInt32', 'Int64', 'UInt64', 'Float', 'Double',
  'String', 'DateTime', 'Guid', 'ByteString', 'XmlElement', 'NodeId', 'ExpandedNodeId', 'StatusCode', 'QualifiedName',
  'LocalizedText', 'ExtensionObject', 'DataValue', 'Variant', 'DiagnosticInfo',
] as const; // biome-ignore format: a table by number
export type BuiltInType = (typeof builtInTypes)[number];

/** Number of a built-in type; undefined when the name is none. */
export function builtInNumber(name: string): number | undefined {
  const index = (builtInTypes as readonly string[]).indexOf(name);
  return index < 0 ? undefined : index;
}

export const ua = Object.fromEntries(builtInTypes.map((name, index) => [name, index])) as Readonly<Record<BuiltInType, number>>;

const named: Partial<Record<BuiltInType, ValueType>> = {
  Boolean: 'bool',
  SByte: 'int8',
  Byte: 'uint8',
  Int16: 'int16',
  UInt16: 'uint16',
  Int32: 'int32',
  UInt32: 'uint32',
  Int64: 'int64',
  UInt64: 'uint64',
  Float: 'float32',
  Double: 'float64',
  DateTime: 'datetime',
  ByteString: 'bytes',
};

/** What the gateway calls the built-in type with this number; what has no number form travels as text. */
export const valueTypeOf: readonly ValueType[] = builtInTypes.map((name) => named[name] ?? 'string');
