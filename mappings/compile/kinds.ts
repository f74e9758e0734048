import type { ValueType } from '../../model/value.ts';

/** What can be done with a raw value; `unknown` where only the machine knows its type. */
export type RawKind = 'bool' | 'integer' | 'float' | 'text' | 'bytes' | 'datetime' | 'unknown';

export function rawKind(type: ValueType | undefined): RawKind {
  switch (type) {
    case undefined:
      return 'unknown';
    case 'bool':
      return 'bool';
    case 'float32':
    case 'float64':
    case 'decimal':
      return 'float';
    case 'string':
      return 'text';
    case 'bytes':
    case 'datetime':
      return type;
    default:
      return 'integer';
  }
}

/** Width in bits and sign of an integer type. */
export function integerShape(type: ValueType | undefined): { readonly bits: number; readonly signed: boolean } | undefined {
  const match = /^(u?)int(8|16|32|64)$/.exec(type ?? '');
  return match ? { bits: Number(match[2]), signed: match[1] === '' } : undefined;
}

/** Lowest and highest value of an integer type. */
export function integerLimits(type: ValueType | undefined): readonly [lowest: bigint, highest: bigint] | undefined {
  const shape = integerShape(type);
  if (!shape) return undefined;
  const size = 2n ** BigInt(shape.bits);
  return shape.signed ? [-size / 2n, size / 2n - 1n] : [0n, size - 1n];
}

/** `an enum`, `a text` … for messages. */
export const kindNouns: Readonly<Record<RawKind, string>> = {
  bool: 'true or false',
  integer: 'a whole number',
  float: 'a number with decimals',
  text: 'text',
  bytes: 'bytes',
  datetime: 'a date and time',
  unknown: 'known to the machine alone',
};
