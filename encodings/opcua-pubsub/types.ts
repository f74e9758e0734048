import type { TelemetryReading } from '../../model/telemetry.ts';
import type { ValueType } from '../../model/value.ts';

/** Built-in types of OPC UA (Part 6 §5.1.2); as data types they have the same numbers in namespace 0. */
export const builtIn = {
  Boolean: 1,
  SByte: 2,
  Byte: 3,
  Int16: 4,
  UInt16: 5,
  Int32: 6,
  UInt32: 7,
  Int64: 8,
  UInt64: 9,
  Float: 10,
  Double: 11,
  String: 12,
  DateTime: 13,
  ByteString: 15,
  /** Any: the type is not known yet. */
  Variant: 24,
} as const;

const byType: Readonly<Record<ValueType, number>> = {
  bool: builtIn.Boolean,
  int8: builtIn.SByte,
  uint8: builtIn.Byte,
  int16: builtIn.Int16,
  uint16: builtIn.UInt16,
  int32: builtIn.Int32,
  uint32: builtIn.UInt32,
  int64: builtIn.Int64,
  uint64: builtIn.UInt64,
  float32: builtIn.Float,
  float64: builtIn.Double,
  // OPC UA's abstract Decimal has no form in JSON that readers know.
  decimal: builtIn.String,
  string: builtIn.String,
  bytes: builtIn.ByteString,
  datetime: builtIn.DateTime,
};

export interface FieldType {
  readonly builtInType: number;
  /** -1 a scalar, 1 an array of one dimension (Part 3 §5.6.2). */
  readonly valueRank: -1 | 1;
}

/** The type of a field: what the mapping knows of the point, else what the reading declares, else the kind of its value. */
export function fieldType(type: ValueType | undefined, reading: TelemetryReading | undefined): FieldType {
  const value = reading?.value;
  const valueRank = Array.isArray(value) ? 1 : -1;
  const declared = type ?? reading?.type;
  if (declared !== undefined) return { builtInType: byType[declared], valueRank };
  switch (typeof (Array.isArray(value) ? value[0] : value)) {
    case 'number':
      return { builtInType: builtIn.Double, valueRank };
    case 'boolean':
      return { builtInType: builtIn.Boolean, valueRank };
    case 'string':
      return { builtInType: builtIn.String, valueRank };
    default:
      return { builtInType: builtIn.Variant, valueRank };
  }
}
