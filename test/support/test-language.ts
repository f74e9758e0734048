import { z } from 'zod';
import type { AdapterLanguage, PlacedPoint, RawSample } from '../../mappings/language.ts';
import { type ValueType, valueTypes } from '../../model/value.ts';

const settings = z.strictObject({ host: z.string(), port: z.int().min(1).max(65535).default(1) });

/** A protocol without a wire, for tests of the language itself: `at: cell 5` holds one value of any type, given as it is; `cell 5 of {id}` has a placeholder. */
export const testLanguage: AdapterLanguage<z.output<typeof settings>, { readonly cell: number }> = {
  name: 'test',
  summary: 'for tests',
  connection: settings,
  point: z.strictObject({ type: z.enum(valueTypes).optional(), byteOrder: z.enum(['ABCD', 'CDAB', 'BADC', 'DCBA']).optional() }),
  compilePoint({ at, own }, report) {
    const [, cell, captured] = /^cell (\d+)(?: of (.*))?$/.exec(at ?? '') ?? [];
    if (cell === undefined) {
      report('at', {
        rule: 'bad-address',
        message: `at: ${at === undefined ? 'there is no address' : `"${at}" is not a cell`}`,
        hint: 'write cell 5',
      });
      return undefined;
    }
    const captures = Array.from(captured?.matchAll(/\{(\w+)\}/g) ?? [], (match) => match[1] as string);
    return { address: { cell: Number(cell) }, rawType: own.type as ValueType | undefined, captures };
  },
  checkEquipment(points, _settings, report) {
    const seen = new Map<number, string>();
    for (const { name, address } of points) {
      const other = seen.get(address.cell);
      if (other !== undefined) report(name, 'at', { rule: 'overlap', message: `${other} and ${name} both use cell ${address.cell}` });
      seen.set(address.cell, name);
    }
  },
  sample(given, points, _settings, report) {
    const cells = new Map<number, unknown>();
    for (const [entry, value] of Object.entries(given)) {
      const cell = /^cell (\d+)$/.exec(entry)?.[1];
      if (cell === undefined) report(entry, { rule: 'bad-address', message: `"${entry}" is not a cell` });
      else cells.set(Number(cell), value);
    }
    const raws = new Map<string, RawSample>();
    for (const { name, address, rawType } of points as readonly PlacedPoint<{ cell: number }>[]) {
      if (!cells.has(address.cell)) continue;
      const value = cells.get(address.cell);
      const raw = (rawType === 'int64' || rawType === 'uint64') && typeof value === 'number' ? BigInt(value) : value;
      raws.set(name, { raw: raw as RawSample['raw'], shown: `cell ${address.cell}` });
    }
    return raws;
  },
};
