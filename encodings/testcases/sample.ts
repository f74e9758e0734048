import type { Plant, PlantPoint } from '../../model/plant.ts';
import type { GapEvent, HubEvent, TelemetryEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { EncodingContext } from '../contract.ts';

const point = (name: string, rest: Partial<PlantPoint> = {}): PlantPoint => ({
  name,
  unit: undefined,
  type: undefined,
  description: undefined,
  ...rest,
});

/** A plant that tests can change. */
export class SamplePlant implements Plant {
  points: PlantPoint[] = [
    point('jacket_temperature', { unit: 'Cel', type: 'float32', description: 'Jacket, outlet' }),
    point('motor_current', { unit: 'A', type: 'float64' }),
    point('state', { type: 'string' }),
    point('overheat', { type: 'bool' }),
    point('batch_id', { type: 'uint64' }),
    point('energy', { unit: 'kW.h', type: 'decimal' }),
    point('serial_block', { type: 'bytes' }),
    point('started', { type: 'datetime' }),
    point('profile', { unit: 'Cel', type: 'int16' }),
  ];
  readonly #listeners = new Set<() => void>();

  machines() {
    return [{ id: 'cooker-1', path: 'candyco/leeds/kitchen/line-1', description: 'Jacketed cooker', points: this.points }];
  }

  latest() {
    return [];
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  change(points: PlantPoint[]): void {
    this.points = points;
    for (const listener of this.#listeners) listener();
  }
}

export function sampleContext(plant: Plant = new SamplePlant()): EncodingContext {
  return { gateway: 'gw-leeds-1', source: '/candyco/leeds/gw-leeds-1', plant };
}

export const noon = '2026-11-24T08:00:01.250Z';

export function telemetry(
  sequence: number,
  readings: readonly TelemetryReading[],
  about: Partial<TelemetryEvent['data']> = {},
): TelemetryEvent {
  const equipment = about.equipment ?? 'cooker-1';
  return {
    specversion: '1.0',
    id: `gw-leeds-1/8f3c/${sequence}`,
    source: '/candyco/leeds/gw-leeds-1',
    type: 'dragoman.telemetry.v1',
    subject: equipment,
    time: noon,
    datacontenttype: 'application/json',
    sequence: String(sequence),
    partitionkey: equipment,
    data: { equipment, path: 'candyco/leeds/kitchen/line-1', ...about, readings },
  };
}

export function gap(sequence: number, data: Partial<GapEvent['data']> = {}): GapEvent {
  const { data: _, ...rest } = telemetry(sequence, []);
  return {
    ...rest,
    type: 'dragoman.gap.v1',
    data: {
      equipment: 'cooker-1',
      from: '2026-11-24T07:59:00.000Z',
      to: '2026-11-24T08:00:00.000Z',
      readings: 412,
      reason: 'outbox full',
      ...data,
    },
  };
}

/** One of everything that a reading can be. */
export const everyKind: readonly TelemetryReading[] = [
  { point: 'jacket_temperature', value: 93.2, unit: 'Cel', time: noon },
  {
    point: 'motor_current',
    quality: 'bad',
    status: 'BadTimeout',
    reason: 'no answer within 1 s',
    lastGood: '2026-11-24T07:59:58.000Z',
    time: noon,
  },
  { point: 'state', value: 'running, "hot"', time: noon },
  { point: 'overheat', value: false, time: noon },
  { point: 'batch_id', value: '18446744073709551615', type: 'uint64', time: noon },
  { point: 'energy', value: '90071992547409.93', unit: 'kW.h', type: 'decimal', time: '2026-11-24T08:00:01.2501234Z', received: noon },
  { point: 'serial_block', value: '/+8=', type: 'bytes', time: noon },
  { point: 'started', value: '2026-11-24T06:30:00Z', type: 'datetime', time: noon },
  { point: 'profile', value: [20, -5, 60], unit: 'Cel', time: noon },
  {
    point: 'jacket_temperature',
    value: 181.5,
    unit: 'Cel',
    quality: 'uncertain',
    status: 'UncertainEngineeringUnitsExceeded',
    time: '2026-11-24T08:00:02.000Z',
  },
];

/** What the example of the documentation and the golden files are made of. */
export const sampleEvents: readonly HubEvent[] = [
  telemetry(104233, everyKind),
  {
    ...telemetry(104234, [{ point: 'speed', value: -1, unit: '{rot}/min', time: noon }], { equipment: 'mixer-2', message: 'process' }),
    priority: 'bulk',
  },
  gap(104235),
];
