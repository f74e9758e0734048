import type { ValueType } from '../../model/value.ts';

/**
 * What a value is made of. `registers` is undefined where `length` says it; `unit` is how many registers one element takes.
 * `raw` is the type that leaves the adapter:
 * BCD leaves as the unsigned integer it spells, mod10k as a signed one (64 bit and bigint from three registers on).
 */
interface TypeShape {
  readonly registers: number | undefined;
  readonly raw: ValueType;
  /** Bytes that take part in the byte order; 0: text and bytes, whose width is their length. */
  readonly width: 0 | 1 | 2 | 4 | 8;
  /** Whether `length` may make an array of it. */
  readonly arrays: boolean;
}

const shapes = {
  bool: { registers: 1, raw: 'bool', width: 2, arrays: true },
  int8: { registers: 1, raw: 'int8', width: 2, arrays: false },
  uint8: { registers: 1, raw: 'uint8', width: 2, arrays: false },
  int16: { registers: 1, raw: 'int16', width: 2, arrays: true },
  uint16: { registers: 1, raw: 'uint16', width: 2, arrays: true },
  int32: { registers: 2, raw: 'int32', width: 4, arrays: true },
  uint32: { registers: 2, raw: 'uint32', width: 4, arrays: true },
  int64: { registers: 4, raw: 'int64', width: 8, arrays: true },
  uint64: { registers: 4, raw: 'uint64', width: 8, arrays: true },
  float32: { registers: 2, raw: 'float32', width: 4, arrays: true },
  float64: { registers: 4, raw: 'float64', width: 8, arrays: true },
  bcd16: { registers: 1, raw: 'uint16', width: 2, arrays: true },
  bcd32: { registers: 2, raw: 'uint32', width: 4, arrays: true },
  mod10k: { registers: undefined, raw: 'int32', width: 0, arrays: false },
  string: { registers: undefined, raw: 'string', width: 0, arrays: false },
  bytes: { registers: undefined, raw: 'bytes', width: 0, arrays: false },
  'datetime-unix32': { registers: 2, raw: 'datetime', width: 4, arrays: false },
  'datetime-unix64': { registers: 4, raw: 'datetime', width: 8, arrays: false },
  'datetime-iec870': { registers: 4, raw: 'datetime', width: 0, arrays: false },
  'datetime-s7': { registers: 4, raw: 'datetime', width: 0, arrays: false },
  'datetime-ymdhms': { registers: 6, raw: 'datetime', width: 0, arrays: false },
} as const satisfies Record<string, TypeShape>;

export type ModbusType = keyof typeof shapes;
export const modbusTypes = Object.keys(shapes) as [ModbusType, ...ModbusType[]];

export function typeShape(type: ModbusType): TypeShape {
  return shapes[type];
}

/**
 * Byte orders by the order in which the bytes arrive, A the most significant. The four-letter names fit every width
 * (CDAB is GHEFCDAB at 64 bit, and registers in reverse for text); the others fit only their own.
 */
export const byteOrders = ['ABCD', 'CDAB', 'BADC', 'DCBA', 'AB', 'BA', 'ABCDEFGH', 'GHEFCDAB', 'BADCFEHG', 'HGFEDCBA', 'EFGHABCD'] as const;
export type ByteOrder = (typeof byteOrders)[number];

/** What decides how a value is read; where it lies does not. */
export interface RegisterForm {
  readonly type: ModbusType;
  readonly byteOrder: ByteOrder;
  /** 16-bit registers that the value takes. */
  readonly count: number;
  /** An array of `count / registers of the type` values; false: one value. */
  readonly array: boolean;
}
