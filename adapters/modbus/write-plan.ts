import type { RawValue } from '../../model/value.ts';
import { encodeRegisters } from '../registers/encode.ts';
import { typeShape } from '../registers/types.ts';
import type { ModbusSettings } from './settings.ts';
import { isBitTable, type ModbusAddress, maxCoilsPerWrite, maxRegistersPerWrite } from './types.ts';

export interface WritePlan {
  readonly functionCode: 5 | 6 | 15 | 16;
  readonly pdu: Uint8Array;
  /** The good answer: the request itself (5, 6), or its address and quantity (15, 16). */
  readonly echo: Uint8Array;
}

/**
 * The one request that writes `raw` whole; a text says why there is none. A value of several registers always goes in one request: half a value
 * must never be in effect.
 */
export function planWrite(address: ModbusAddress, raw: RawValue, choice: ModbusSettings['functionCodes']['write']): WritePlan | string {
  const { table, start, count } = address;
  if (table === 'input' || table === 'discrete') return `${table} cannot be written in Modbus`;
  const misfit = misfitOf(address, raw);
  if (misfit !== undefined) return misfit;
  const bits = isBitTable(table);
  if (count > (bits ? maxCoilsPerWrite : maxRegistersPerWrite))
    return `${count} ${bits ? 'coils' : 'registers'} do not fit one write request`;
  if (choice === 'single' && count > 1)
    return `${count} ${bits ? 'coils' : 'registers'} cannot be written one by one (functionCodes.write: single): the machine would see half a value`;
  const multiple = choice === 'multiple' || count > 1;
  try {
    const values = bits ? packBits(Array.isArray(raw) ? raw : [raw as boolean]) : encodeRegisters(address, raw);
    if (multiple) return several(bits ? 15 : 16, start, count, values);
    return single(bits ? 5 : 6, start, bits ? (raw === true ? 0xff00 : 0) : (values[0]! << 8) | values[1]!);
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError || error instanceof SyntaxError) return error.message;
    throw error;
  }
}

function single(functionCode: 5 | 6, start: number, word: number): WritePlan {
  const pdu = Uint8Array.of(functionCode, start >> 8, start & 0xff, word >> 8, word & 0xff);
  return { functionCode, pdu, echo: pdu };
}

function several(functionCode: 15 | 16, start: number, count: number, values: Uint8Array): WritePlan {
  const pdu = new Uint8Array(6 + values.length);
  pdu.set([functionCode, start >> 8, start & 0xff, count >> 8, count & 0xff, values.length]);
  pdu.set(values, 6);
  return { functionCode, pdu, echo: pdu.subarray(0, 5) };
}

function packBits(values: readonly unknown[]): Uint8Array {
  const bytes = new Uint8Array((values.length + 7) >> 3);
  values.forEach((bit, i) => {
    if (bit === true) bytes[i >> 3]! |= 1 << (i & 7);
  });
  return bytes;
}

function misfitOf({ table, type, count, array }: ModbusAddress, raw: RawValue): string | undefined {
  if (array || Array.isArray(raw)) {
    const wanted = array ? (isBitTable(table) ? count : count / typeShape(type).registers!) : 0;
    if (!Array.isArray(raw)) return `it is a list of ${wanted} values, not one`;
    if (!array) return 'it is one value, not a list';
    if (raw.length !== wanted) return `it is a list of ${wanted} values, not of ${raw.length}`;
    return raw.map((one) => misfitOfOne(type, one)).find((misfit) => misfit !== undefined);
  }
  return misfitOfOne(type, raw);
}

function misfitOfOne(type: ModbusAddress['type'], raw: RawValue): string | undefined {
  switch (typeShape(type).raw) {
    case 'bool':
      return typeof raw === 'boolean' ? undefined : `${type} takes true or false`;
    case 'datetime':
      return typeof raw === 'string' && Number.isFinite(Date.parse(raw))
        ? undefined
        : `${type} takes a date and time: 2026-11-24T08:00:00Z`;
    case 'string':
      return typeof raw === 'string' ? undefined : `${type} takes a text`;
    case 'bytes':
      return raw instanceof Uint8Array ? undefined : 'it takes bytes';
    default:
      return typeof raw === 'bigint' || (typeof raw === 'number' && Number.isFinite(raw)) ? undefined : `${type} takes a number`;
  }
}
