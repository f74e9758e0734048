/**
 * A peer: the npm library modbus-serial, reading the same blocks one at a time.
 *
 * usage: node modbus-serial-loop.ts REGISTERS PERIOD_MS PORT…
 */
import modbusSerial from 'modbus-serial';
import { blocks, runRounds } from './loop.ts';

const [registers = 0, periodMs = 1000, ...ports] = process.argv.slice(2).map(Number);
const ModbusRTU = modbusSerial.default ?? modbusSerial;

const machines = await Promise.all(
  ports.map(async (port) => {
    const client = new ModbusRTU();
    await client.connectTCP('127.0.0.1', { port });
    client.setID(1);
    client.setTimeout(2000);
    return client;
  }),
);
const plan = blocks(registers);
await runRounds(periodMs, async (add) => {
  for (const machine of machines) {
    for (const { start, quantity } of plan) {
      await machine.readHoldingRegisters(start, quantity);
      add(quantity);
    }
  }
});
