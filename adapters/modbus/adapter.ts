import type { Adapter } from '../contract.ts';
import { compileModbusPoint, modbusPoint } from './address.ts';
import { checkOverlaps } from './overlap.ts';
import { modbusSample } from './sample.ts';
import { type ModbusSettings, modbusConnection } from './settings.ts';
import type { ModbusAddress } from './types.ts';

export const modbus: Adapter<ModbusSettings, ModbusAddress> = {
  name: 'modbus',
  summary: 'Modbus client: TCP, RTU over a serial line, RTU over TCP, ASCII',
  connection: modbusConnection,
  point: modbusPoint,
  compilePoint: compileModbusPoint,
  checkEquipment: (points, _settings, report) => checkOverlaps(points, report),
  sample: modbusSample,
  async load() {
    const { connectModbus } = await import('./connection.ts');
    return { connect: connectModbus };
  },
};
