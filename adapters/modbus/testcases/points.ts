import type { ObservedPoint } from '../../contract.ts';
import { modbus } from '../adapter.ts';
import type { ModbusSettings } from '../settings.ts';
import type { ModbusAddress } from '../types.ts';

const anywhere = modbus.connection.parse({ host: '127.0.0.1' });

/** A point as the mapping core would hand it over, for tests; throws when the address has an error. */
export function observed(
  name: string,
  at: string,
  own: Record<string, unknown> = {},
  everyMs = 50,
  settings: ModbusSettings = anywhere,
): ObservedPoint<ModbusAddress> {
  const compiled = modbus.compilePoint(
    { name, at, own: modbus.point.parse(own), settings, everyMs, write: false, bits: false },
    (key, finding) => {
      if (finding.severity !== 'warn') throw new Error(`${name}.${key}: ${finding.message}`);
    },
  );
  if (!compiled) throw new Error(`${name} has no address`);
  return { name, ...compiled, everyMs, staleAfterMs: 3 * everyMs };
}

/** `count` points of one register each, from `start`. */
export function registers(start: number, count: number, own: Record<string, unknown> = {}, everyMs = 50): ObservedPoint<ModbusAddress>[] {
  return Array.from({ length: count }, (_, i) => observed(`r${start + i}_${own.unitId ?? ''}`, `holding ${start + i}`, own, everyMs));
}
