import { isUtf8 } from 'node:buffer';
import { shortestFloat32 } from '../../model/float32.ts';
import type { Tree } from '../payload/contract.ts';
import { UndecodableError } from '../payload/undecodable.ts';
import { readDecimal } from './decimal.ts';

/** Nested deeper than this, a value was made to exhaust the stack. */
const deepest = 64;
/** Elements of an array whose type takes no bytes: a few bytes could otherwise claim four thousand million of them. */
const mostEmptyElements = 65_536;

/** Reads AMQP 1.0 values (part 1 of the standard) from a message. Throws UndecodableError where the bytes are none. */
export class ValueReader {
  readonly bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  /** A described value gives what it describes; symbols, characters and UUIDs are text; a map's keys become text. */
  read(depth = 0): Tree {
    return this.#value(this.#typeCode(depth), depth);
  }

  /** Moves behind the next value without decoding it. */
  skip(): void {
    const code = this.#typeCode(0);
    const category = code >>> 4;
    const fixed = fixedWidths[category];
    if (fixed !== undefined) this.#take(fixed);
    else if (category === 0xa || category === 0xc || category === 0xe) this.#take(this.#uint8());
    else if (category === 0xb || category === 0xd || category === 0xf) this.#take(this.#uint32());
    else throw unknownType(code);
  }

  /** The type code, behind any descriptors. */
  #typeCode(depth: number): number {
    let code = this.#uint8();
    for (let nested = depth; code === 0; nested++) {
      if (nested > deepest) throw new UndecodableError(`values are nested more than ${deepest} deep`);
      this.read(nested + 1);
      code = this.#uint8();
    }
    return code;
  }

  #value(code: number, depth: number): Tree {
    const { bytes } = this;
    switch (code) {
      case 0x40:
        return null;
      case 0x41:
        return true;
      case 0x42:
        return false;
      case 0x56:
        return this.#uint8() !== 0;
      case 0x43:
      case 0x44:
        return 0;
      case 0x50:
      case 0x52:
      case 0x53:
        return this.#uint8();
      case 0x51:
      case 0x54:
      case 0x55:
        return bytes.readInt8(this.#take(1));
      case 0x60:
        return bytes.readUInt16BE(this.#take(2));
      case 0x61:
        return bytes.readInt16BE(this.#take(2));
      case 0x70:
        return this.#uint32();
      case 0x71:
        return bytes.readInt32BE(this.#take(4));
      case 0x80:
        return exact(bytes.readBigUInt64BE(this.#take(8)));
      case 0x81:
        return exact(bytes.readBigInt64BE(this.#take(8)));
      case 0x72:
        return shortestFloat32(bytes.readFloatBE(this.#take(4)));
      case 0x82:
        return bytes.readDoubleBE(this.#take(8));
      case 0x74:
        return readDecimal(this.#slice(4));
      case 0x84:
        return readDecimal(this.#slice(8));
      case 0x94:
        return readDecimal(this.#slice(16));
      case 0x73:
        return character(this.#uint32());
      case 0x83:
        return { timeMs: Number(bytes.readBigInt64BE(this.#take(8))) };
      case 0x98:
        return uuid(this.#slice(16));
      case 0xa0:
        return this.#slice(this.#uint8());
      case 0xb0:
        return this.#slice(this.#uint32());
      case 0xa1:
        return text(this.#slice(this.#uint8()));
      case 0xb1:
        return text(this.#slice(this.#uint32()));
      case 0xa3:
        return this.#slice(this.#uint8()).toString('latin1');
      case 0xb3:
        return this.#slice(this.#uint32()).toString('latin1');
      case 0x45:
        return [];
      case 0xc0:
      case 0xd0:
        return this.#list(this.#count(code), depth);
      case 0xc1:
      case 0xd1:
        return this.#map(this.#count(code), depth);
      case 0xe0:
      case 0xf0:
        return this.#array(this.#count(code), depth);
      default:
        throw unknownType(code);
    }
  }

  /** Size, then count; the size must fit, the count is bounded by what it can hold. */
  #count(code: number): number {
    const narrow = code < 0xd0 || (code >= 0xe0 && code < 0xf0);
    const size = narrow ? this.#uint8() : this.#uint32();
    if (this.at + size > this.bytes.length) throw truncated();
    return narrow ? this.#uint8() : this.#uint32();
  }

  #list(count: number, depth: number): readonly Tree[] {
    this.#guard(count, depth);
    const list: Tree[] = [];
    for (let i = 0; i < count; i++) list.push(this.read(depth + 1));
    return list;
  }

  #map(count: number, depth: number): ReadonlyMap<string, Tree> {
    this.#guard(count, depth);
    if (count % 2 !== 0) throw new UndecodableError('a map has a key without a value');
    const map = new Map<string, Tree>();
    for (let i = 0; i < count; i += 2) {
      const key = this.read(depth + 1);
      map.set(typeof key === 'string' ? key : keyText(key), this.read(depth + 1));
    }
    return map;
  }

  #array(count: number, depth: number): readonly Tree[] {
    if (depth > deepest) throw new UndecodableError(`values are nested more than ${deepest} deep`);
    const code = this.#typeCode(depth + 1);
    const takesBytes = code >>> 4 !== 4;
    if (count > (takesBytes ? this.bytes.length - this.at : mostEmptyElements)) throw truncated();
    const list: Tree[] = [];
    for (let i = 0; i < count; i++) list.push(this.#value(code, depth + 1));
    return list;
  }

  /** Each element takes at least the byte of its type. */
  #guard(count: number, depth: number): void {
    if (count > this.bytes.length - this.at) throw truncated();
    if (depth > deepest) throw new UndecodableError(`values are nested more than ${deepest} deep`);
  }

  #uint8(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw truncated();
    return value;
  }

  #uint32(): number {
    return this.bytes.readUInt32BE(this.#take(4));
  }

  #slice(length: number): Buffer {
    const start = this.#take(length);
    return this.bytes.subarray(start, start + length);
  }

  /** Where `length` bytes begin that are now behind us. */
  #take(length: number): number {
    const start = this.at;
    if (start + length > this.bytes.length) throw truncated();
    this.at = start + length;
    return start;
  }
}

/** By the upper half of the type code (part 1 §1.2). */
const fixedWidths: Readonly<Record<number, number>> = { 4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16 };

const truncated = (): UndecodableError => new UndecodableError('the message ends in the middle of a value');
const unknownType = (code: number): UndecodableError =>
  new UndecodableError(`0x${code.toString(16).padStart(2, '0')} is not a type of AMQP 1.0`);

function exact(integer: bigint): number | bigint {
  return integer >= -9_007_199_254_740_991n && integer <= 9_007_199_254_740_991n ? Number(integer) : integer;
}

function text(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new UndecodableError('a text is not UTF-8');
  return bytes.toString('utf8');
}

function character(code: number): string {
  if (code > 0x10ffff) throw new UndecodableError(`${code} is not a character`);
  return String.fromCodePoint(code);
}

function uuid(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Keys are nearly always texts or symbols; numbers are told by their digits. */
function keyText(key: Tree): string {
  if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean') return String(key);
  throw new UndecodableError('a map has a key that is neither text nor number');
}
