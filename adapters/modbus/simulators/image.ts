import type { Table } from '../types.ts';

/** What one simulated unit answers from. Registers and bits that were never set are holes. */
export interface UnitImage {
  readonly holding: Map<number, number>;
  readonly input: Map<number, number>;
  readonly coil: Map<number, boolean>;
  readonly discrete: Map<number, boolean>;
  /** Addresses that answer with this exception, whatever is stored there. */
  readonly refused: Map<string, number>;
  /** Longer register requests get exception 3, as many devices do. */
  maxRegisters: number;
  /** Every request gets exception 6. */
  busy: boolean;
  /** No request gets an answer. */
  silent: boolean;
}

export function unitImage(): UnitImage {
  return {
    holding: new Map(),
    input: new Map(),
    coil: new Map(),
    discrete: new Map(),
    refused: new Map(),
    maxRegisters: 125,
    busy: false,
    silent: false,
  };
}

export const refusedKey = (table: Table, address: number): string => `${table} ${address}`;

const readTables: Readonly<Record<number, Table>> = { 1: 'coil', 2: 'discrete', 3: 'holding', 4: 'input' };

/** The answer PDU of one request PDU (MODBUS Application Protocol V1.1b3 §6.1 to 6.6, 6.11, 6.12); exceptions by the state diagrams there. */
export function answer(image: UnitImage, pdu: Uint8Array): Uint8Array {
  const code = pdu[0] ?? 0;
  if (image.busy) return exception(code, 6);
  const table = readTables[code];
  if (table) return pdu.length === 5 ? read(image, code, table, word(pdu, 1), word(pdu, 3)) : exception(code, 3);
  if (code === 5 || code === 6) return pdu.length === 5 ? writeOne(image, code, pdu) : exception(code, 3);
  if (code === 15 || code === 16) return pdu.length >= 6 ? writeMany(image, code, pdu) : exception(code, 3);
  return exception(code, 1);
}

function exception(functionCode: number, code: number): Uint8Array {
  return Uint8Array.of(functionCode | 0x80, code);
}

const word = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;

function read(image: UnitImage, code: number, table: Table, start: number, count: number): Uint8Array {
  const bits = code <= 2;
  if (count < 1 || count > (bits ? 2000 : Math.min(125, image.maxRegisters))) return exception(code, 3);
  if (start + count > 0x10000) return exception(code, 2);
  const bytes = bits ? Math.ceil(count / 8) : count * 2;
  const out = new Uint8Array(2 + bytes);
  out[0] = code;
  out[1] = bytes;
  const stored = image[table];
  for (let i = 0; i < count; i++) {
    if (image.refused.size > 0) {
      const refusal = image.refused.get(refusedKey(table, start + i));
      if (refusal !== undefined) return exception(code, refusal);
    }
    const value = stored.get(start + i);
    if (value === undefined) return exception(code, 2);
    if (typeof value === 'boolean') {
      if (value) out[2 + (i >> 3)]! |= 1 << (i & 7);
    } else {
      out[2 + i * 2] = value >> 8;
      out[3 + i * 2] = value;
    }
  }
  return out;
}

function writeOne(image: UnitImage, code: number, pdu: Uint8Array): Uint8Array {
  const address = word(pdu, 1);
  const value = word(pdu, 3);
  if (code === 5) {
    if (value !== 0xff00 && value !== 0) return exception(code, 3);
    if (!image.coil.has(address)) return exception(code, 2);
    image.coil.set(address, value === 0xff00);
  } else {
    if (!image.holding.has(address)) return exception(code, 2);
    image.holding.set(address, value);
  }
  return pdu.slice();
}

/** All or nothing, as the standard has it. */
function writeMany(image: UnitImage, code: number, pdu: Uint8Array): Uint8Array {
  const start = word(pdu, 1);
  const count = word(pdu, 3);
  const coils = code === 15;
  const bytes = coils ? Math.ceil(count / 8) : count * 2;
  if (count < 1 || count > (coils ? 1968 : 123) || pdu[5] !== bytes || pdu.length !== 6 + bytes) return exception(code, 3);
  const stored: ReadonlyMap<number, unknown> = coils ? image.coil : image.holding;
  for (let i = 0; i < count; i++) if (!stored.has(start + i)) return exception(code, 2);
  for (let i = 0; i < count; i++) {
    if (coils) image.coil.set(start + i, (pdu[6 + (i >> 3)]! & (1 << (i & 7))) !== 0);
    else image.holding.set(start + i, word(pdu, 6 + i * 2));
  }
  return pdu.slice(0, 5);
}
