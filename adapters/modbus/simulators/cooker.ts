import { type ModbusSimulator, startModbusSimulator } from '../simulator.ts';

export interface CookerOptions {
  readonly host?: string;
  readonly port?: number;
  /** How often its values move. */
  readonly stepMs?: number;
  /** Time from the beginning of one fault to that of the next; 20 s by default, 0: never. */
  readonly faultEveryMs?: number;
  /** Told what begins and what ends, in words for people. Without it the cooker has no faults: nobody should look for a defect that was played. */
  readonly onFault?: (text: string) => void;
}

/** Where the cooker keeps its values; the mapping of the demo names the same places. */
export const cookerPlaces = {
  jacketTemperature: 'holding 100',
  motorCurrent: 'holding 102',
  state: 'holding 110',
  flags: 'holding 111',
  batchId: 'holding 120',
  setpoint: 'holding 200',
  heaterEnable: 'coil 4',
} as const;

const states = { stopped: 0, running: 1 } as const;
const overheatBit = 1 << 3;
const sensorBreak = 0xffff;

/**
 * A jacketed candy cooker of 2009: heats towards its setpoint, cooks a batch, rests, begins the next one.
 * Unit 1 on Modbus TCP. Its faults come in turns: a broken current sensor, a register that fails, a silence of some seconds.
 */
export async function startCooker(options: CookerOptions = {}): Promise<ModbusSimulator> {
  const { stepMs = 250, faultEveryMs = 20_000, onFault } = options;
  const simulator = await startModbusSimulator({ host: options.host ?? '127.0.0.1', port: options.port ?? 0, units: [1] });
  const cooker = new Cooker(simulator);
  const timers = [setInterval(() => cooker.step(stepMs / 1000), stepMs)];
  const ends = new Set<NodeJS.Timeout>();
  if (onFault && faultEveryMs > 0) timers.push(setInterval(() => cooker.nextFault(faultEveryMs, onFault, ends), faultEveryMs));
  const close = simulator.close.bind(simulator);
  simulator.close = async () => {
    for (const timer of [...timers, ...ends]) clearTimeout(timer);
    await close();
  };
  return simulator;
}

class Cooker {
  readonly #unit;
  #temperature = 24;
  #clock = 0;
  #batch = 1_311_768_468_603_649_775n;
  #sensorBroken = false;
  #faults = 0;

  constructor(simulator: ModbusSimulator) {
    this.#unit = simulator.unit(1);
    this.#unit.set(cookerPlaces.setpoint, 1150, { type: 'int16' });
    this.#unit.set(cookerPlaces.heaterEnable, true);
    this.step(0);
  }

  /** A batch takes two minutes: heating and cooking, then twenty seconds of rest. */
  step(seconds: number): void {
    this.#clock += seconds;
    if (this.#clock >= 120) {
      this.#clock = 0;
      this.#batch++;
    }
    const running = this.#clock < 100;
    const setpoint = ((this.#unit.get(cookerPlaces.setpoint) << 16) >> 16) / 10;
    const heating = running && this.#unit.get(cookerPlaces.heaterEnable) === 1;
    const target = heating ? setpoint : 24;
    this.#temperature += (target - this.#temperature) * Math.min(1, seconds * (heating ? 0.08 : 0.02));
    const shown = this.#temperature + Math.sin(this.#clock * 1.7) * 0.3;
    const amperes = running ? 23 + Math.sin(this.#clock * 0.9) * 1.5 : 0;
    this.#unit.set(cookerPlaces.jacketTemperature, Math.round(shown * 1000) / 1000, { type: 'float32', byteOrder: 'CDAB' });
    this.#unit.set(cookerPlaces.motorCurrent, this.#sensorBroken ? sensorBreak : Math.round(amperes * 10));
    this.#unit.set(cookerPlaces.state, running ? states.running : states.stopped);
    this.#unit.set(cookerPlaces.flags, shown > 130 ? overheatBit : 0);
    this.#unit.set(cookerPlaces.batchId, this.#batch, { type: 'uint64' });
  }

  /** The three faults in turns, each over well before the next one. */
  nextFault(everyMs: number, tell: (text: string) => void, ends: Set<NodeJS.Timeout>): void {
    const lasts = (share: number, mostMs: number): number => Math.min(everyMs * share, mostMs);
    const until = (ms: number, end: () => void, text: string): void => {
      const timer = setTimeout(() => {
        ends.delete(timer);
        end();
        tell(text);
      }, ms);
      ends.add(timer);
    };
    switch (this.#faults++ % 3) {
      case 0:
        this.#sensorBroken = true;
        tell('the motor current sensor is broken (motor_current reads 0xFFFF)');
        until(lasts(0.3, 6_000), () => this.#repairSensor(), 'the motor current sensor works again');
        return;
      case 1: {
        const end = this.#unit.refuse(cookerPlaces.batchId, 4, 4);
        tell('the registers of batch_id fail (exception 4)');
        until(lasts(0.4, 8_000), end, 'the registers of batch_id answer again');
        return;
      }
      default:
        this.#unit.silent = true;
        tell('does not answer any more');
        until(lasts(0.35, 7_000), () => this.#wake(), 'answers again');
    }
  }

  #repairSensor(): void {
    this.#sensorBroken = false;
  }

  #wake(): void {
    this.#unit.silent = false;
  }
}
