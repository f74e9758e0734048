import type { Plant, PlantMachine, PlantPoint } from '../model/plant.ts';

/** The machines of a plant by id, and their points by name. */
export interface PlantIndex {
  /** Rises when the plant changed. */
  readonly version: number;
  machine(id: string): PlantMachine | undefined;
  point(machine: string, name: string): PlantPoint | undefined;
}

const indexes = new WeakMap<Plant, PlantIndex>();

/** One index, and one listener, for each plant: encoders come and go with the sessions of hubs and have no end at which to stop listening. */
export function plantIndex(plant: Plant): PlantIndex {
  const known = indexes.get(plant);
  if (known) return known;
  const index = indexOf(plant);
  indexes.set(plant, index);
  return index;
}

function indexOf(plant: Plant): PlantIndex {
  let version = 0;
  let machines: ReadonlyMap<string, PlantMachine> | undefined;
  const points = new Map<string, ReadonlyMap<string, PlantPoint>>();
  plant.onChange(() => {
    version++;
    machines = undefined;
    points.clear();
  });
  const machine = (id: string): PlantMachine | undefined => {
    machines ??= new Map(plant.machines().map((each) => [each.id, each]));
    return machines.get(id);
  };
  return {
    get version() {
      return version;
    },
    machine,
    point(id, name) {
      let named = points.get(id);
      if (!named) {
        named = new Map(machine(id)?.points.map((point) => [point.name, point]));
        points.set(id, named);
      }
      return named.get(name);
    },
  };
}
