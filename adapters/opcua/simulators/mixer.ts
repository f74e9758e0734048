import { setTimeout as sleep } from 'node:timers/promises';
import { StatusCodes } from '../library.ts';
import { type SimulatedVariable, type Simulator, startSimulator } from '../simulator.ts';

export const mixerNamespace = 'http://candyco/mixer';

export interface MixerOptions {
  readonly port: number;
  /** Where it listens; 127.0.0.1 by default. */
  readonly host?: string;
  /** Keeps the server's certificate. */
  readonly folder: string;
  /** Told when a fault begins and when it is over. Without it the mixer has no faults. */
  readonly onFault?: (fault: MixerFault) => void;
  /** A fault begins about this often, in ms; default a minute. */
  readonly faultEveryMs?: number;
}

export interface MixerFault {
  readonly kind: 'sensor' | 'server';
  readonly active: boolean;
  /** For people: `the temperature sensor is broken`. */
  readonly text: string;
}

export interface Mixer extends AsyncDisposable {
  readonly endpoint: string;
  readonly port: number;
}

const states = { idle: 0, filling: 1, mixing: 2, emptying: 3 } as const;

const variables: readonly SimulatedVariable[] = [
  { id: 'Mixer.Speed', type: 'Double', value: 0, description: 'Speed of the agitator, 1/min' },
  { id: 'Mixer.Torque', type: 'Float', value: 0, description: 'Torque at the shaft, N.m' },
  { id: 'Mixer.Temperature', type: 'Double', value: 21.5, description: 'Temperature of the mass, °C' },
  { id: 'Mixer.Pressure', type: 'Float', value: 1.013, description: 'Pressure in the vessel, bar' },
  { id: 'Mixer.State', type: 'Int32', value: states.idle, description: '0 idle, 1 filling, 2 mixing, 3 emptying' },
  { id: 'Mixer.BatchId', type: 'UInt64', value: 0n, description: 'Number of the batch' },
  { id: 'Mixer.Recipe', type: 'String', value: 'toffee', description: 'Name of the recipe' },
  { id: 'Mixer.Counter', type: 'UInt32', value: 0, description: 'Batches since the start' },
  { id: 'Mixer.LidClosed', type: 'Boolean', value: true, description: 'The lid is closed and locked' },
  { id: 'Mixer.LastMaintenance', type: 'DateTime', value: new Date('2026-11-02T06:30:00Z'), description: 'When it was maintained' },
  { id: 'Mixer.ZoneTemperatures', type: 'Float', value: [21.5, 21.4, 21.6], isArray: true, description: 'Jacket zones, °C' },
];

const tickMs = 200;
const recipes = ['toffee', 'fudge', 'fondant', 'caramel'];
/** A batch: seconds of filling, mixing, emptying and rest. */
const phases = [
  { state: states.filling, seconds: 6, speed: 12 },
  { state: states.mixing, seconds: 25, speed: 96 },
  { state: states.emptying, seconds: 6, speed: 30 },
  { state: states.idle, seconds: 3, speed: 0 },
] as const;
const batchSeconds = phases.reduce((sum, { seconds }) => sum + seconds, 0);
const sensorFaultMs = 6_000;
const serverFaultMs = 5_000;

/** A candy mixer that runs batch after batch. Its sensor breaks and its server goes away now and then, and both come back. */
export async function startMixer(options: MixerOptions): Promise<Mixer> {
  const begun = Date.now();
  const start = (): Promise<Simulator> => startSimulator({ ...options, namespace: mixerNamespace, variables });
  let server: Simulator | undefined = await start();
  const { endpoint, port } = server;
  let sensorBroken = false;
  const stop = new AbortController();
  const ticking = setInterval(() => server && move(server, (Date.now() - begun) / 1_000, sensorBroken), tickMs);
  const tell = (kind: MixerFault['kind'], active: boolean, text: string): void => options.onFault?.({ kind, active, text });
  const wait = (ms: number): Promise<void> => sleep(ms, undefined, { signal: stop.signal }).catch(() => {});

  const faults = async (): Promise<void> => {
    const everyMs = options.faultEveryMs ?? 60_000;
    for (let round = 0; ; round++) {
      await wait(everyMs - (round === 0 ? everyMs / 2 : 0));
      if (stop.signal.aborted) return;
      if (round % 2 === 0) {
        sensorBroken = true;
        tell('sensor', true, 'the temperature sensor of the mixer is broken');
        await wait(sensorFaultMs);
        sensorBroken = false;
        tell('sensor', false, 'the temperature sensor of the mixer works again');
      } else {
        tell('server', true, 'the OPC UA server of the mixer goes down');
        const old = server;
        server = undefined;
        await old?.[Symbol.asyncDispose]();
        await wait(serverFaultMs);
        if (stop.signal.aborted) return;
        server = await start();
        tell('server', false, 'the OPC UA server of the mixer is up again');
      }
    }
  };
  const faulting = options.onFault ? faults() : Promise.resolve();
  return {
    endpoint,
    port,
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearInterval(ticking);
      await faulting.catch(() => {});
      await server?.[Symbol.asyncDispose]();
    },
  };
}

/** Everything as it is `seconds` after the start; a pure function of time, so a restarted server goes on where it would be. */
function move(server: Simulator, seconds: number, sensorBroken: boolean): void {
  const batch = Math.floor(seconds / batchSeconds);
  let within = seconds % batchSeconds;
  const phase = phases.find((each) => {
    if (within < each.seconds) return true;
    within -= each.seconds;
    return false;
  })!;
  const ripple = Math.sin(seconds * 1.7);
  const speed = phase.speed === 0 ? 0 : round(phase.speed * Math.min(1, within / 2) + ripple * 0.4, 2);
  const mixing = phase.state === states.mixing ? Math.min(1, within / 15) : phase.state === states.emptying ? 1 : 0;
  const temperature = round(24 + 82 * mixing + ripple * 0.3, 2);
  const now = new Date();
  server.set('Mixer.Speed', speed, StatusCodes.Good, now);
  server.set('Mixer.Torque', Math.fround(round(speed * (0.8 + mixing * 0.6), 1)), StatusCodes.Good, now);
  server.set('Mixer.Temperature', temperature, sensorBroken ? StatusCodes.BadSensorFailure : StatusCodes.Good, now);
  server.set('Mixer.Pressure', Math.fround(round(1.013 + mixing * 0.35, 3)), StatusCodes.Good, now);
  server.set('Mixer.State', phase.state, StatusCodes.Good, now);
  server.set('Mixer.BatchId', 1_311_768_468_603_649_775n + BigInt(batch), StatusCodes.Good, now);
  server.set('Mixer.Recipe', recipes[batch % recipes.length], StatusCodes.Good, now);
  server.set('Mixer.Counter', batch, StatusCodes.Good, now);
  server.set('Mixer.LidClosed', phase.state !== states.filling, StatusCodes.Good, now);
  server.set(
    'Mixer.ZoneTemperatures',
    [0, 0.4, -0.3].map((each) => Math.fround(round(temperature + each, 1))),
    StatusCodes.Good,
    now,
  );
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
