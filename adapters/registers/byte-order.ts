import { type ByteOrder, type ModbusType, typeShape } from './types.ts';

/** What a byte order does to a big-endian value of any width: registers reversed, bytes of each register swapped, 32-bit halves swapped. */
export interface Swaps {
  readonly words: boolean;
  readonly bytes: boolean;
  readonly halves: boolean;
}

const swaps: Readonly<Record<ByteOrder, Swaps>> = {
  ABCD: { words: false, bytes: false, halves: false },
  CDAB: { words: true, bytes: false, halves: false },
  BADC: { words: false, bytes: true, halves: false },
  DCBA: { words: true, bytes: true, halves: false },
  AB: { words: false, bytes: false, halves: false },
  BA: { words: false, bytes: true, halves: false },
  ABCDEFGH: { words: false, bytes: false, halves: false },
  GHEFCDAB: { words: true, bytes: false, halves: false },
  BADCFEHG: { words: false, bytes: true, halves: false },
  HGFEDCBA: { words: true, bytes: true, halves: false },
  EFGHABCD: { words: false, bytes: false, halves: true },
};

export function swapsOf(order: ByteOrder): Swaps {
  return swaps[order];
}

/**
 * For a value of `size` bytes in `order`: place `i` of the big-endian value arrives at offset `result[i]`.
 * `size` is even; it may be the whole length of a text.
 */
export function bytePlaces(order: ByteOrder, size: number): Uint16Array {
  const { words, bytes, halves } = swaps[order];
  return Uint16Array.from({ length: size }, (_, i) => {
    let register = i >> 1;
    if (words) register = size / 2 - 1 - register;
    if (halves) register = (register + size / 4) % (size / 2);
    return register * 2 + (bytes ? 1 - (i & 1) : i & 1);
  });
}

/** Why `order` cannot be meant for `type`; undefined when it can. */
export function orderMisfit(order: ByteOrder, type: ModbusType): string | undefined {
  if (order.length === 4) return undefined;
  const { width } = typeShape(type);
  if (width === order.length) return undefined;
  const is = width === 0 ? 'has no fixed width' : `is ${width * 8} bits wide`;
  return `byteOrder ${order} describes ${order.length * 8} bits, ${type} ${is}`;
}
