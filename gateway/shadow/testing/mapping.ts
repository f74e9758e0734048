import type { CompiledEquipment } from '../../../mappings/equipment.ts';
import { compileMapping } from '../../../mappings/load.ts';
import { installedAdapters } from '../../adapters.ts';

/** The machine of a mapping that is known to be right. */
export function compiled(text: string): CompiledEquipment {
  const { equipment, problems } = compileMapping('test.yaml', text, installedAdapters);
  if (equipment.length !== 1) throw new Error(problems.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return equipment[0]!;
}

/** A Modbus machine with these points, each written as it would stand behind its name. */
export function modbusMapping(points: Readonly<Record<string, string>>, port = 502, every = '100ms'): string {
  const lines = Object.entries(points).map(([name, keys]) => `  ${name}: { ${keys} }`);
  return `equipment: cooker-1\nconnection: { adapter: modbus, host: 127.0.0.1, port: ${port} }\ndefaults: { every: ${every} }\npoints:\n${lines.join('\n')}\n`;
}
