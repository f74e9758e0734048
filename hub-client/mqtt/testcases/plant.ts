import type { Plant, PlantMachine, PlantPoint } from '../../../model/plant.ts';
import type { Reading } from '../../../model/reading.ts';
import type { HubEvent, TelemetryEvent, TelemetryReading } from '../../../model/telemetry.ts';

/** A plant that a test changes. */
export class TestPlant implements Plant {
  #machines: readonly PlantMachine[] = [];
  readonly readings = new Map<string, readonly Reading[]>();
  readonly #listeners = new Set<() => void>();

  machines(): readonly PlantMachine[] {
    return this.#machines;
  }

  latest(equipment: string): readonly Reading[] {
    return this.readings.get(equipment) ?? [];
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  set(...machines: readonly PlantMachine[]): void {
    this.#machines = machines;
    for (const listener of this.#listeners) listener();
  }
}

export const machine = (id: string, points: Readonly<Record<string, Partial<PlantPoint>>>): PlantMachine => ({
  id,
  path: 'candyco/leeds/kitchen',
  description: undefined,
  points: Object.entries(points).map(([name, more]) => ({ name, unit: undefined, type: undefined, description: undefined, ...more })),
});

export const latest = (point: string, value: Reading['value'], more: Partial<Reading> = {}): Reading => ({
  point,
  ...(value === undefined ? {} : { value }),
  quality: 'good',
  status: 'Good',
  sourceTimeMs: Date.now(),
  receivedMs: Date.now(),
  ...more,
});

let sequence = 0;

/** A telemetry event of one machine, its readings at `timeMs`. */
export function event(
  equipment: string,
  values: Readonly<Record<string, TelemetryReading['value'] | Partial<TelemetryReading>>>,
  timeMs = Date.now(),
): TelemetryEvent {
  const time = new Date(timeMs).toISOString();
  sequence++;
  const readings = Object.entries(values).map(([point, given]): TelemetryReading => {
    const isPlain = typeof given !== 'object' || Array.isArray(given);
    return {
      point,
      time,
      ...(isPlain ? { value: given as NonNullable<TelemetryReading['value']> } : (given as Partial<TelemetryReading>)),
    };
  });
  return {
    specversion: '1.0',
    id: `gw-test-1/test/${sequence}`,
    source: '/candyco/leeds/gw-test-1',
    type: 'dragoman.telemetry.v1',
    subject: equipment,
    time,
    datacontenttype: 'application/json',
    sequence: String(sequence),
    partitionkey: equipment,
    data: { equipment, readings },
  };
}

export function gap(equipment: string, timeMs = Date.now()): HubEvent {
  const time = new Date(timeMs).toISOString();
  sequence++;
  return {
    specversion: '1.0',
    id: `gw-test-1/test/${sequence}`,
    source: '/candyco/leeds/gw-test-1',
    type: 'dragoman.gap.v1',
    subject: equipment,
    time,
    datacontenttype: 'application/json',
    sequence: String(sequence),
    partitionkey: equipment,
    data: { equipment, from: time, to: time, readings: 3, reason: 'outbox full' },
  };
}
