import { adapterContract } from '../../test/contract/adapter.ts';
import { freePort } from '../../test/support/ports.ts';
import type { ObservedPoint } from '../contract.ts';
import { modbus } from './adapter.ts';
import { startModbusSimulator } from './simulator.ts';
import { observed } from './testcases/points.ts';
import type { ModbusAddress } from './types.ts';

adapterContract(modbus, async () => {
  const simulator = await startModbusSimulator({ port: await freePort() });
  const unit = simulator.unit(1);
  unit.set('holding 100', 123.456, { type: 'float32', byteOrder: 'CDAB' });
  unit.set('holding 102', 17);
  unit.set('holding 120', 2n ** 63n + 5n, { type: 'uint64' });
  unit.set('coil 4', true);
  unit.refuse('holding 103');
  const points: ObservedPoint<ModbusAddress>[] = [
    observed('temperature', 'holding 100', { type: 'float32', byteOrder: 'CDAB' }),
    observed('current', 'holding 102'),
    observed('batch', 'holding 120', { type: 'uint64' }),
    observed('heater', 'coil 4'),
  ];
  return {
    settings: modbus.connection.parse({ host: simulator.host, port: simulator.port, timeout: '300ms' }),
    points,
    values: { temperature: 123.456, current: 17, batch: 2n ** 63n + 5n, heater: true },
    refused: observed('refused', 'holding 103'),
    async change() {
      unit.set('holding 100', 99.5, { type: 'float32', byteOrder: 'CDAB' });
      return 99.5;
    },
    cutLink: () => simulator.close(),
    [Symbol.asyncDispose]: () => simulator[Symbol.asyncDispose](),
  };
});
