import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The machines of the candy factory: for `dragoman simulate`, and for the demo, which runs them all. */
export interface DemoMachine {
  readonly name: string;
  readonly protocol: string;
  /** Its mapping below examples/candy-factory/mappings. */
  readonly mapping: string;
  /** The port it would like; it listens there, or connects to it. */
  readonly port: number;
  /** It connects to the gateway, which listens: it starts when the gateway is there. */
  readonly connects?: true;
  readonly faultEvery: string;
  /** How a person writes where it is. */
  where(port: number): string;
  /** Its mapping with the port of this run. */
  withPort(mapping: string, port: number): string;
  start(options: StartOptions): Promise<AsyncDisposable & { readonly port: number }>;
}

export interface StartOptions {
  readonly port: number;
  readonly host: string;
  /** For what it keeps. */
  readonly folder: string;
  readonly faultEveryMs?: number;
  readonly onFault?: (fault: { readonly text: string } | string) => void;
}

const replacePort = (mapping: string, port: number): string => mapping.replace(/^( +port: )\d+/m, `$1${port}`);

export const demoMachines: readonly DemoMachine[] = [
  {
    name: 'cooker',
    protocol: 'Modbus TCP',
    mapping: 'cooker-1.yaml',
    port: 5020,
    faultEvery: '45s',
    where: (port) => `127.0.0.1:${port}`,
    withPort: replacePort,
    start: async (options) => (await import('../../adapters/modbus/simulators/cooker.ts')).startCooker(options),
  },
  {
    name: 'mixer',
    protocol: 'OPC UA',
    mapping: 'mixer-1.yaml',
    port: 4840,
    faultEvery: '60s',
    where: (port) => `opc.tcp://127.0.0.1:${port}`,
    withPort: (mapping, port) => mapping.replace(/(opc\.tcp:\/\/127\.0\.0\.1:)\d+/, `$1${port}`),
    start: async (options) => (await import('../../adapters/opcua/simulators/mixer.ts')).startMixer(options),
  },
  {
    name: 'sensor',
    protocol: 'MQTT',
    mapping: 'climate-1.yaml',
    port: 1883,
    faultEvery: '50s',
    where: (port) => `mqtt://127.0.0.1:${port}, broker and sensor`,
    withPort: (mapping, port) => mapping.replace(/(mqtt:\/\/127\.0\.0\.1:)\d+/, `$1${port}`),
    start: async (options) => (await import('../../adapters/mqtt/simulators/sensor.ts')).startSensor(options),
  },
  {
    name: 'conveyor',
    protocol: 'AMQP 1.0',
    mapping: 'conveyor-1.yaml',
    port: 5672,
    connects: true,
    faultEvery: '40s',
    where: (port) => `connects to the gateway, amqp://127.0.0.1:${port}`,
    withPort: replacePort,
    async start({ folder, port, ...options }) {
      const { startConveyor } = await import('../../adapters/amqp/simulators/conveyor.ts');
      const password = await readFile(conveyorPassword(folder), 'utf8').catch(() => undefined);
      const login = password === undefined ? {} : { user: 'conveyor', password: password.trim() };
      const conveyor = await startConveyor({ ...options, ...login, port, faultEveryMs: options.faultEveryMs ?? 0 });
      return { port, [Symbol.asyncDispose]: () => conveyor[Symbol.asyncDispose]() };
    },
  },
];

/** Where the conveyor has its password, below its own folder; the mapping names the same file. Without one it does not log in. */
export function conveyorPassword(folder: string): string {
  return join(folder, 'password');
}

export function demoMachine(name: string): DemoMachine | undefined {
  return demoMachines.find((machine) => machine.name === name);
}
