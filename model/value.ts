/** The types a point can have on its machine's side; they name width, sign and form, never byte order. */
export const valueTypes = [
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'float32',
  'float64',
  'decimal',
  'string',
  'bytes',
  'datetime',
] as const;
export type ValueType = (typeof valueTypes)[number];

export type Scalar = number | bigint | boolean | string;

/**
 * What an adapter decoded, before the mapping gave it meaning.
 * 64-bit integers are always `bigint`. A 32-bit float is the double with the fewest digits that reads back
 * as the same 32-bit float (231.7, not 231.6999969482422); see {@link file://./float32.ts}.
 * `bytes` arrive as Uint8Array, a datetime as an ISO 8601 string. NaN and infinities may appear here, never in a Value.
 */
export type RawValue = Scalar | Uint8Array | readonly Scalar[];

/** What leaves the gateway. Finite numbers only; `bigint` and `decimal` leave as strings in JSON. */
export type Value = Scalar | readonly Scalar[];
