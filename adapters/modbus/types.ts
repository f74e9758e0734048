import type { RegisterForm } from '../registers/types.ts';

/** The four tables of the Modbus data model; coils and discrete inputs are bits, the others 16-bit registers. */
export const tables = ['coil', 'discrete', 'input', 'holding'] as const;
export type Table = (typeof tables)[number];

export function isBitTable(table: Table): boolean {
  return table === 'coil' || table === 'discrete';
}

/** Most units one read request may ask for (MODBUS Application Protocol V1.1b3 §6.1–6.4). */
export const maxRegistersPerRead = 125;
export const maxBitsPerRead = 2000;
/** The same for one write request (§6.11, §6.12). */
export const maxCoilsPerWrite = 1968;
export const maxRegistersPerWrite = 123;

/** One place in one unit, decided. Plain data, compared deeply at a reload. */
export interface ModbusAddress extends RegisterForm {
  readonly unitId: number;
  readonly table: Table;
  /** Zero-based, as on the wire. */
  readonly start: number;
  /** Registers, or bits in a bit table. */
  readonly count: number;
}

/** `holding 100`, `holding 100-101`, `unit 3 holding 100`: as people write it. */
export function showSpan(table: Table, start: number, count = 1): string {
  return count > 1 ? `${table} ${start}-${start + count - 1}` : `${table} ${start}`;
}
