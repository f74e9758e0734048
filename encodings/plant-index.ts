import type { Plant, PlantMachine } from '../model/plant.ts';

/** The machines of a plant by id. */
export interface PlantIndex {
  /** Rises when the plant changed. */
  readonly version: number;
  machine(id: string): PlantMachine | undefined;
}

const indexes = new WeakMap<Plant, PlantIndex>();

/** One index, and one listener, for each plant: encoders come and go with the sessions of hubs and have no end at which to stop listening. */
export function plantIndex(plant: Plant): PlantIndex {
  const known = indexes.get(plant);
  if (known) return known;
  let version = 0;
  let machines: ReadonlyMap<string, PlantMachine> | undefined;
  plant.onChange(() => {
    version++;
    machines = undefined;
  });
  const index: PlantIndex = {
    get version() {
      return version;
    },
    machine(id) {
      machines ??= new Map(plant.machines().map((machine) => [machine.id, machine]));
      return machines.get(id);
    },
  };
  indexes.set(plant, index);
  return index;
}
