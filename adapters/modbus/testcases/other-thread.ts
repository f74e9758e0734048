import { parentPort, workerData } from 'node:worker_threads';
import { type ModbusSimulatorOptions, startModbusSimulator } from '../simulator.ts';

/** A machine that goes on answering while the thread of the test is blocked; every register holds its address. */
const { options, delayMs } = workerData as { readonly options: ModbusSimulatorOptions; readonly delayMs: number };
const simulator = await startModbusSimulator(options);
const unit = simulator.unit(1);
unit.set(
  'holding 0',
  Array.from({ length: 200 }, (_, i) => i),
);
unit.delayMs = delayMs;
parentPort?.postMessage(simulator.port);
