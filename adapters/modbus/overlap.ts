import type { PlacedPoint, ReportAt } from '../../mappings/language.ts';
import { isBitTable, type ModbusAddress, showSpan } from './types.ts';

/**
 * Finds values of several registers that share a register with a value of another meaning: one of the two addresses is a typing error.
 * Equal addresses are fine (the same word seen as number and as bits), and so are arrays and bytes, which are views of a whole area.
 */
export function checkOverlaps(points: readonly PlacedPoint<ModbusAddress>[], report: ReportAt): void {
  const single = points.filter(({ address: a }) => !isBitTable(a.table) && !a.array && a.type !== 'bytes');
  const sorted = single.toSorted(
    ({ address: a }, { address: b }) => a.unitId - b.unitId || a.table.localeCompare(b.table) || a.start - b.start || b.count - a.count,
  );
  let last: PlacedPoint<ModbusAddress> | undefined;
  for (const point of sorted) {
    if (last && collide(last.address, point.address)) {
      const a = last.address;
      report(point.name, 'at', {
        rule: 'overlap',
        message: `${last.name} (${a.type}) and ${point.name} (${point.address.type}) both use registers of ${showSpan(a.table, a.start, a.count)}${a.unitId === point.address.unitId && points[0]?.address.unitId !== a.unitId ? ` of unit ${a.unitId}` : ''}`,
        hint: `${point.name} is at ${showSpan(point.address.table, point.address.start, point.address.count)}; check both addresses and types in the manual`,
      });
    }
    if (!last || !sameTable(last.address, point.address) || endOf(point.address) > endOf(last.address)) last = point;
  }
}

const endOf = (a: ModbusAddress): number => a.start + a.count;

function sameTable(a: ModbusAddress, b: ModbusAddress): boolean {
  return a.unitId === b.unitId && a.table === b.table;
}

function collide(a: ModbusAddress, b: ModbusAddress): boolean {
  if (!sameTable(a, b) || b.start >= endOf(a) || (a.count === 1 && b.count === 1)) return false;
  return !(a.start === b.start && a.count === b.count && a.type === b.type && a.byteOrder === b.byteOrder);
}
