/** Sparkplug B data types by name, with their numbers on the wire (Sparkplug 3.0 §6.4.16). */
export const datatypes = {
  Unknown: 0,
  Int8: 1,
  Int16: 2,
  Int32: 3,
  Int64: 4,
  UInt8: 5,
  UInt16: 6,
  UInt32: 7,
  UInt64: 8,
  Float: 9,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
  Text: 14,
  UUID: 15,
  DataSet: 16,
  Bytes: 17,
  File: 18,
  Template: 19,
  PropertySet: 20,
  PropertySetList: 21,
  Int8Array: 22,
  Int16Array: 23,
  Int32Array: 24,
  Int64Array: 25,
  UInt8Array: 26,
  UInt16Array: 27,
  UInt32Array: 28,
  UInt64Array: 29,
  FloatArray: 30,
  DoubleArray: 31,
  BooleanArray: 32,
  StringArray: 33,
  DateTimeArray: 34,
} as const;

export type DatatypeName = keyof typeof datatypes;
export type Datatype = (typeof datatypes)[DatatypeName];

const names = new Map<number, DatatypeName>(Object.entries(datatypes).map(([name, number]) => [number, name as DatatypeName]));

/** `Int32` for 3; `datatype 99` for a number that the standard does not know. */
export function datatypeName(datatype: number): string {
  return names.get(datatype) ?? `datatype ${datatype}`;
}

/** Integers that JavaScript keeps in a number, by datatype: width in bits and sign. */
export const smallIntegers: Readonly<Record<number, { readonly bits: 8 | 16 | 32; readonly signed: boolean }>> = {
  [datatypes.Int8]: { bits: 8, signed: true },
  [datatypes.Int16]: { bits: 16, signed: true },
  [datatypes.Int32]: { bits: 32, signed: true },
  [datatypes.UInt8]: { bits: 8, signed: false },
  [datatypes.UInt16]: { bits: 16, signed: false },
  [datatypes.UInt32]: { bits: 32, signed: false },
};
