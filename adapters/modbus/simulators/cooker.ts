import { startModbusSimulator } from '../simulator.ts';
import { refusedKey } from './image.ts';

export interface CookerOptions {
  readonly port: number;
  /** Where it listens; 127.0.0.1 by default. */
  readonly host?: string;
  /** Told when a fault begins and when it is over. Without it the cooker has no faults. */
  readonly onFault?: (fault: CookerFault) => void;
  /** A fault begins about this often, in ms; default a minute. */
  readonly faultEveryMs?: number;
}

export interface CookerFault {
  readonly kind: 'sensor' | 'register' | 'silence';
  readonly active: boolean;
  /** For people: `the motor current sensor of the cooker is broken`. */
  readonly text: string;
}

export interface Cooker extends AsyncDisposable {
  readonly port: number;
}

const tickMs = 200;
const cycleSeconds = 40;
const states = { stopped: 0, running: 1, fault: 9 } as const;
const faults = [
  {
    kind: 'sensor',
    ms: 4_000,
    begins: 'the motor current sensor of the cooker is broken',
    ends: 'the motor current sensor of the cooker works again',
  },
  { kind: 'register', ms: 6_000, begins: 'the cooker refuses register 111', ends: 'the cooker answers for register 111 again' },
  { kind: 'silence', ms: 6_000, begins: 'the cooker does not answer any more', ends: 'the cooker answers again' },
] as const;

/** A jacketed cooker that heats batch after batch; unit 1, registers as in examples/candy-factory. */
export async function startCooker(options: CookerOptions): Promise<Cooker> {
  const simulator = await startModbusSimulator({ port: options.port, ...(options.host === undefined ? {} : { host: options.host }) });
  const unit = simulator.unit(1);
  const begun = Date.now();
  // Documented blocks read whole, also where nothing of interest lies; everything else is exception 2.
  for (let register = 100; register < 124; register++) unit.holding.set(register, 0);
  for (let coil = 0; coil < 8; coil++) unit.coil.set(coil, false);
  unit.coil.set(4, true);
  simulator.set(1, 200, 'int16', 950);
  let sensorBroken = false;
  const move = (): void => {
    const seconds = (Date.now() - begun) / 1_000;
    const phase = (seconds % cycleSeconds) / cycleSeconds;
    const running = phase < 0.85;
    const temperature = running ? 62 + 33 * (1 - Math.exp(-4 * phase)) + 0.6 * Math.sin(seconds / 3) : 93 - 120 * (phase - 0.85);
    simulator.set(1, 100, 'float32', Math.round(temperature * 1_000) / 1_000, 'CDAB');
    simulator.set(1, 102, 'uint16', sensorBroken ? 0xffff : Math.round(running ? 118 + 9 * Math.sin(seconds / 2) : 4));
    simulator.set(1, 110, 'uint16', running ? states.running : states.stopped);
    simulator.set(1, 111, 'uint16', temperature > 95.2 ? 0b1000 : 0);
    simulator.set(1, 120, 'uint64', 1311768468603649775n + BigInt(Math.floor(seconds / cycleSeconds)));
  };
  move();
  const moving = setInterval(move, tickMs);

  let turn = 0;
  let ending: NodeJS.Timeout | undefined;
  const setFault = (kind: CookerFault['kind'], active: boolean): void => {
    if (kind === 'sensor') sensorBroken = active;
    else if (kind === 'silence') unit.silent = active;
    else if (active) unit.refused.set(refusedKey('holding', 111), 2);
    else unit.refused.clear();
    move();
  };
  const { onFault } = options;
  const begin = (): void => {
    const fault = faults[turn++ % faults.length]!;
    setFault(fault.kind, true);
    onFault?.({ kind: fault.kind, active: true, text: fault.begins });
    ending = setTimeout(() => {
      setFault(fault.kind, false);
      onFault?.({ kind: fault.kind, active: false, text: fault.ends });
    }, fault.ms);
  };
  const troubling = onFault ? setInterval(begin, Math.max(8_000, options.faultEveryMs ?? 60_000)) : undefined;
  return {
    port: simulator.port,
    async [Symbol.asyncDispose]() {
      clearInterval(moving);
      clearInterval(troubling);
      clearTimeout(ending);
      await simulator[Symbol.asyncDispose]();
    },
  };
}
