import { anyGlob } from '../../model/glob.ts';
import type { Plant } from '../../model/plant.ts';
import type { Selection } from './selection.ts';

/** The plant as one destination sees it: births and metadata must not tell of machines and points that it never gets. */
export function selectedPlant(plant: Plant, { equipment, path, points }: Selection): Plant {
  const all = (): boolean => true;
  const ofEquipment = equipment ? anyGlob(equipment) : all;
  const ofPath = path ? anyGlob(path) : all;
  const ofPoint = points ? anyGlob(points) : all;
  return {
    machines: () =>
      plant
        .machines()
        .filter((machine) => ofEquipment(machine.id) && ofPath(machine.path))
        .map((machine) => ({ ...machine, points: machine.points.filter(({ name }) => ofPoint(name)) }))
        .filter((machine) => machine.points.length > 0),
    latest: (id) => (ofEquipment(id) ? plant.latest(id).filter(({ point }) => ofPoint(point)) : []),
    onChange: (listener) => plant.onChange(listener),
  };
}
