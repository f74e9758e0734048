import { expect, test } from 'vitest';
import type { Plant } from '../../model/plant.ts';
import { selectedPlant } from './selected-plant.ts';
import { Selection } from './selection.ts';

const point = (name: string) => ({ name, unit: undefined, type: undefined, description: undefined });
const plant: Plant = {
  machines: () => [
    { id: 'cooker-1', path: 'leeds/kitchen', description: undefined, points: [point('temperature'), point('state')] },
    { id: 'mixer-1', path: 'leeds/kitchen', description: undefined, points: [point('speed')] },
    { id: 'press-1', path: 'york', description: undefined, points: [point('temperature')] },
  ],
  latest: (id) =>
    ['temperature', 'state'].map((name) => ({ point: name, quality: 'good', status: 'Good', sourceTimeMs: 0, receivedMs: 0, value: id })),
  onChange: () => ({ [Symbol.dispose]() {} }),
};

test.for([
  [{}, ['cooker-1 temperature state', 'mixer-1 speed', 'press-1 temperature']],
  [{ equipment: 'cooker-*' }, ['cooker-1 temperature state']],
  [{ path: 'leeds/**', points: 'temperature' }, ['cooker-1 temperature']],
] as const)('%o', ([select, expected]) => {
  const seen = selectedPlant(plant, Selection.parse(select));
  expect(seen.machines().map(({ id, points }) => [id, ...points.map(({ name }) => name)].join(' '))).toEqual(expected);
});

test('latest readings are those of the selection', () => {
  const seen = selectedPlant(plant, Selection.parse({ equipment: 'cooker-1', points: 'state' }));
  expect(seen.latest('cooker-1').map(({ point: name }) => name)).toEqual(['state']);
  expect(seen.latest('mixer-1')).toEqual([]);
});
