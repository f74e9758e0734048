import type { RawValue } from '../../model/value.ts';
import { encodeRegisters } from '../registers/encode.ts';
import { type ByteOrder, type ModbusType, typeShape } from '../registers/types.ts';
import { parsePlace } from './notation.ts';
import { isBitTable, type Table } from './types.ts';

/** How a value lies in the registers; one uint16 each unless said. */
export interface ValueLayout {
  readonly type?: ModbusType;
  readonly byteOrder?: ByteOrder;
  /** Registers, for text and arrays. */
  readonly length?: number;
}

interface Refusal {
  readonly table: Table;
  readonly from: number;
  readonly to: number;
  readonly code: number;
}

/** A machine behind one unit id: its four tables and what it refuses. Answers as the standard demands, from memory. */
export class SimulatedUnit {
  readonly #registers = new Map<Table, Buffer>();
  readonly #bits = new Map<Table, Uint8Array>();
  readonly #refusals = new Set<Refusal>();
  /** Longer reads are refused with exception 3, or with `tooLongCode`. */
  maxRegisters = 125;
  maxBits = 2000;
  tooLongCode = 3;
  /** Answers every request with this exception. */
  exception: number | undefined;
  /** Does not answer at all. */
  silent = false;
  delayMs = 0;
  onWrite: ((table: Table, start: number, count: number) => void) | undefined;

  /** Writes `value` where `at` says (zero-based): `holding 100`, `coil 4`. Bits take booleans, one or a list. */
  set(at: string, value: RawValue, layout: ValueLayout = {}): void {
    const { table, start } = placeOf(at);
    if (isBitTable(table)) {
      const list = (Array.isArray(value) ? value : [value]) as readonly unknown[];
      list.forEach((bit, i) => {
        this.#bitsOf(table)[start + i] = bit ? 1 : 0;
      });
      return;
    }
    const type = layout.type ?? 'uint16';
    const per = typeShape(type).registers;
    const count = layout.length ?? (Array.isArray(value) ? value.length * (per ?? 1) : (per ?? 2));
    const bytes = encodeRegisters({ type, byteOrder: layout.byteOrder ?? 'ABCD', count, array: Array.isArray(value) }, value);
    this.#registersOf(table).set(bytes, start * 2);
  }

  /** The register or bit at `at`. */
  get(at: string): number {
    const { table, start } = placeOf(at);
    return isBitTable(table) ? this.#bitsOf(table)[start]! : this.#registersOf(table).readUInt16BE(start * 2);
  }

  /** Answers `code` to whatever touches `count` places from `at`. Gives a function that ends it. */
  refuse(at: string, count = 1, code = 2): () => void {
    const { table, start } = placeOf(at);
    const refusal = { table, from: start, to: start + count, code };
    this.#refusals.add(refusal);
    return () => void this.#refusals.delete(refusal);
  }

  /** The answer to a request PDU; an exception where the standard asks for one. */
  answer(pdu: Uint8Array): Uint8Array {
    const code = pdu[0]!;
    const fault = this.exception;
    if (fault !== undefined) return Uint8Array.of(code | 0x80, fault);
    const answer = this.#execute(code, Buffer.from(pdu.buffer, pdu.byteOffset, pdu.length));
    return typeof answer === 'number' ? Uint8Array.of(code | 0x80, answer) : answer;
  }

  /** The answer, or the code of an exception. */
  #execute(code: number, pdu: Buffer): Uint8Array | number {
    switch (code) {
      case 1:
        return this.#readBits('coil', pdu);
      case 2:
        return this.#readBits('discrete', pdu);
      case 3:
        return this.#readRegisters('holding', pdu);
      case 4:
        return this.#readRegisters('input', pdu);
      case 5:
      case 6:
        return this.#writeOne(code, pdu);
      case 15:
      case 16:
        return this.#writeMany(code, pdu);
      case 22:
        return this.#maskWrite(pdu);
      case 23:
        return this.#readWrite(pdu);
      default:
        return 1;
    }
  }

  #readRegisters(table: Table, pdu: Buffer): Uint8Array | number {
    if (pdu.length !== 5) return 3;
    const start = pdu.readUInt16BE(1);
    const count = pdu.readUInt16BE(3);
    const refused = this.#check(table, start, count, 125, this.maxRegisters);
    if (refused) return refused;
    const answer = Buffer.allocUnsafe(2 + count * 2);
    answer[0] = pdu[0]!;
    answer[1] = count * 2;
    this.#registersOf(table).copy(answer, 2, start * 2, (start + count) * 2);
    return answer;
  }

  #readBits(table: Table, pdu: Buffer): Uint8Array | number {
    if (pdu.length !== 5) return 3;
    const start = pdu.readUInt16BE(1);
    const count = pdu.readUInt16BE(3);
    const refused = this.#check(table, start, count, 2000, this.maxBits);
    if (refused) return refused;
    const bits = this.#bitsOf(table);
    const answer = Buffer.alloc(2 + ((count + 7) >> 3));
    answer[0] = pdu[0]!;
    answer[1] = answer.length - 2;
    for (let i = 0; i < count; i++) if (bits[start + i]) answer[2 + (i >> 3)]! |= 1 << (i & 7);
    return answer;
  }

  #check(table: Table, start: number, count: number, standard: number, own: number): number {
    if (count < 1 || count > standard) return 3;
    if (start + count > 65_536) return 2;
    for (const refusal of this.#refusals) {
      if (refusal.table === table && refusal.from < start + count && refusal.to > start) return refusal.code;
    }
    return count > own ? this.tooLongCode : 0;
  }

  #writeOne(code: number, pdu: Buffer): Uint8Array | number {
    if (pdu.length !== 5) return 3;
    const table = code === 5 ? 'coil' : 'holding';
    const start = pdu.readUInt16BE(1);
    const value = pdu.readUInt16BE(3);
    if (code === 5 && value !== 0xff00 && value !== 0) return 3;
    const refused = this.#check(table, start, 1, 1, 1);
    if (refused) return refused;
    if (code === 5) this.#bitsOf('coil')[start] = value ? 1 : 0;
    else this.#registersOf('holding').writeUInt16BE(value, start * 2);
    this.onWrite?.(table, start, 1);
    return Buffer.from(pdu);
  }

  #writeMany(code: number, pdu: Buffer): Uint8Array | number {
    if (pdu.length < 6) return 3;
    const [table, standard] = code === 15 ? (['coil', 1968] as const) : (['holding', 123] as const);
    const start = pdu.readUInt16BE(1);
    const count = pdu.readUInt16BE(3);
    const size = code === 15 ? (count + 7) >> 3 : count * 2;
    if (pdu[5] !== size || pdu.length !== 6 + size) return 3;
    const refused = this.#check(table, start, count, standard, standard);
    if (refused) return refused;
    if (code === 16) this.#registersOf('holding').set(pdu.subarray(6), start * 2);
    else for (let i = 0; i < count; i++) this.#bitsOf('coil')[start + i] = (pdu[6 + (i >> 3)]! >> (i & 7)) & 1;
    this.onWrite?.(table, start, count);
    return Buffer.from(pdu.subarray(0, 5));
  }

  #maskWrite(pdu: Buffer): Uint8Array | number {
    if (pdu.length !== 7) return 3;
    const start = pdu.readUInt16BE(1);
    const refused = this.#check('holding', start, 1, 1, 1);
    if (refused) return refused;
    const [and, or] = [pdu.readUInt16BE(3), pdu.readUInt16BE(5)];
    const before = this.#registersOf('holding').readUInt16BE(start * 2);
    this.#registersOf('holding').writeUInt16BE((before & and) | (or & ~and & 0xffff), start * 2);
    this.onWrite?.('holding', start, 1);
    return Buffer.from(pdu);
  }

  /** Write first, then read, as one transaction. */
  #readWrite(pdu: Buffer): Uint8Array | number {
    if (pdu.length < 10) return 3;
    const [writeStart, writeCount] = [pdu.readUInt16BE(5), pdu.readUInt16BE(7)];
    if (pdu[9] !== writeCount * 2 || pdu.length !== 10 + writeCount * 2) return 3;
    const refused =
      this.#check('holding', writeStart, writeCount, 121, 121) ||
      this.#check('holding', pdu.readUInt16BE(1), pdu.readUInt16BE(3), 125, this.maxRegisters);
    if (refused) return refused;
    this.#registersOf('holding').set(pdu.subarray(10), writeStart * 2);
    this.onWrite?.('holding', writeStart, writeCount);
    return this.#readRegisters('holding', pdu.subarray(0, 5));
  }

  #registersOf(table: Table): Buffer {
    let registers = this.#registers.get(table);
    if (!registers) {
      registers = Buffer.alloc(2 * 65_536);
      this.#registers.set(table, registers);
    }
    return registers;
  }

  #bitsOf(table: Table): Uint8Array {
    let bits = this.#bits.get(table);
    if (!bits) {
      bits = new Uint8Array(65_536);
      this.#bits.set(table, bits);
    }
    return bits;
  }
}

function placeOf(at: string): { readonly table: Table; readonly start: number } {
  const { place, finding } = parsePlace(at, 'protocol');
  if (!place) throw new RangeError(finding?.message ?? at);
  return place;
}
