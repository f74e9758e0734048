import { z } from 'zod';
import type { CompiledAddress, PointSource, Report } from '../../mappings/language.ts';
import type { ValueType } from '../../model/value.ts';
import { orderMisfit, swapsOf } from '../registers/byte-order.ts';
import { byteOrders, type ModbusType, modbusTypes, typeShape } from '../registers/types.ts';
import { parsePlace } from './notation.ts';
import { type ModbusSettings, unitId } from './settings.ts';
import { isBitTable, type ModbusAddress, maxCoilsPerWrite, maxRegistersPerWrite, showSpan, type Table } from './types.ts';

export const modbusPoint = z.strictObject({
  type: z
    .enum(modbusTypes)
    .optional()
    .describe('Type of the value; bool in the bit tables, uint16 where a register is meant and nothing is said'),
  byteOrder: z
    .enum(byteOrders)
    .optional()
    .describe('Order in which the bytes arrive, A the most significant: ABCD (default), CDAB (words swapped), BADC (bytes swapped), DCBA'),
  length: z
    .int()
    .optional()
    .describe('Registers of a text, of bytes or of an array; bits in the bit tables')
    .meta({ minimum: 1, maximum: 2000 }),
  unitId: unitId.optional().describe('Unit id of this point, where it differs from that of the connection'),
});

type Own = z.output<typeof modbusPoint>;

/** Reads `at` and the own keys of one point. Everything wrong with it is reported; without an address the point does not exist. */
export function compileModbusPoint(source: PointSource<ModbusSettings>, report: Report): CompiledAddress<ModbusAddress> | undefined {
  const own = source.own as Own;
  if (source.at === undefined) {
    report('at', { rule: 'bad-address', message: 'at is missing', hint: 'Write where the value is: at: holding 100' });
    return undefined;
  }
  const { place, finding } = parsePlace(source.at, source.settings.addressing);
  if (finding) report('at', finding);
  if (!place) return undefined;
  const bits = isBitTable(place.table);
  const type = own.type ?? (bits ? 'bool' : 'uint16');
  const byteOrder = bits ? 'ABCD' : (own.byteOrder ?? 'ABCD');
  let sound = true;
  const wrong: Report = (key, f) => {
    sound = false;
    report(key, f);
  };
  const count = countOf(type, bits, own.length, wrong);
  if (bits && type !== 'bool') {
    wrong('type', {
      rule: 'bit-table-type',
      message: `${type} cannot lie in ${place.table}, which holds single bits`,
      hint: 'Write type: bool, or a register table',
    });
  }
  if (source.write && (place.table === 'input' || place.table === 'discrete')) {
    const writable = place.table === 'input' ? 'holding' : 'coil';
    wrong('write', {
      rule: 'write-read-only-table',
      message: `${place.table} cannot be written in Modbus`,
      hint: `Remove write, or write the ${writable} that the manual names for it`,
    });
  }
  if (source.write) checkWrite(place.table, count, source.settings, wrong);
  const misfit = orderMisfit(byteOrder, type);
  if (misfit)
    wrong('byteOrder', { rule: 'byte-order-width', message: misfit, hint: 'Write ABCD, CDAB, BADC or DCBA: they fit every width' });
  checkUnit(own.unitId, source.settings, wrong);
  checkReach(place.table, place.start, count, type, source.settings, wrong);
  if (!sound) return undefined;
  if ((type === 'string' || type === 'bytes') && swapsOf(byteOrder).words && count > 1) {
    report('byteOrder', {
      rule: 'text-word-order',
      severity: 'warn',
      message: `byteOrder ${byteOrder} reads the registers of this ${type} from the last to the first`,
      hint: `If its registers run forward, write byteOrder: ${swapsOf(byteOrder).bytes ? 'BADC (low byte first)' : 'ABCD'} at this point`,
    });
  }
  const per = bits ? 1 : (typeShape(type).registers ?? count);
  const address = {
    unitId: own.unitId ?? source.settings.unitId,
    table: place.table,
    start: place.start,
    count,
    type,
    byteOrder,
    array: count !== per,
  };
  return { address, rawType: rawTypeOf(type, count) };
}

/** mod10k beyond two registers outgrows 32 bits and leaves as bigint. */
function rawTypeOf(type: ModbusType, count: number): ValueType {
  return type === 'mod10k' && count > 2 ? 'int64' : typeShape(type).raw;
}

function countOf(type: ModbusType, bits: boolean, length: number | undefined, wrong: Report): number {
  const shape = typeShape(type);
  if (length !== undefined && length < 1) {
    wrong('length', { rule: 'length', message: `length ${length} is not a number of registers`, hint: 'Write 1 or more' });
    return 1;
  }
  if (bits) return length ?? 1;
  if (shape.registers === undefined) {
    if (type === 'mod10k') {
      if (length !== undefined && length > 4) wrong('length', { rule: 'length', message: `mod10k has at most 4 registers, not ${length}` });
      return length ?? 2;
    }
    if (length === undefined)
      wrong('length', {
        rule: 'length',
        message: `${type} needs a length`,
        hint: 'Write how many registers it takes: length: 8 for 16 characters',
      });
    return length ?? 1;
  }
  if (length === undefined || length === shape.registers) return shape.registers;
  if (!shape.arrays)
    wrong('length', { rule: 'length', message: `${type} has a fixed length of ${shape.registers}`, hint: 'Leave length out' });
  else if (length % shape.registers !== 0) {
    wrong('length', {
      rule: 'length',
      message: `length ${length} is no whole number of ${type}, which takes ${shape.registers} registers each`,
      hint: `Write a multiple of ${shape.registers}`,
    });
  }
  return length;
}

/** A value goes out whole, in one request, or not at all. */
function checkWrite(table: Table, count: number, { functionCodes }: ModbusSettings, wrong: Report): void {
  const [most, unit] = isBitTable(table) ? [maxCoilsPerWrite, 'coils'] : [maxRegistersPerWrite, 'registers'];
  if (count > most) {
    wrong('write', {
      rule: 'write-in-parts',
      message: `${count} ${unit} do not fit one write request, which carries at most ${most}`,
      hint: 'Remove write, or use several points',
    });
  }
  if (count > 1 && functionCodes.write === 'single') {
    wrong('write', {
      rule: 'write-in-parts',
      message: `with functionCodes: { write: single } a value of ${count} ${unit} would go out in parts, and the machine would see half of it`,
      hint: 'Leave functionCodes.write out, or remove write',
    });
  }
}

function checkUnit(unit: number | undefined, settings: ModbusSettings, wrong: Report): void {
  if (unit === undefined || settings.framing === 'tcp' || (unit >= 1 && unit <= 247)) return;
  wrong('unitId', {
    rule: 'unit-id',
    message: `unit id ${unit} does not answer on a serial line`,
    hint: 'Write the address set at the machine, 1 to 247',
  });
}

function checkReach(table: Table, start: number, count: number, type: ModbusType, settings: ModbusSettings, wrong: Report): void {
  const end = start + count - 1;
  if (end > 65_535) {
    wrong('at', {
      rule: 'address-end',
      message: `${type} at ${showSpan(table, start)} reaches to ${end}, beyond the last address, 65535`,
      hint: 'Check the address and the type',
    });
  }
  const [limit, unit] = isBitTable(table) ? [settings.maxBits, 'bits'] : [settings.maxRegisters, 'registers'];
  if (count > limit) {
    wrong('length', {
      rule: 'quantity-limit',
      message: `${count} ${unit} do not fit one request, which carries at most ${limit}`,
      hint: 'A value is never read in two parts; use several points',
    });
  }
}
