import { expect, test } from 'vitest';
import type { CompiledEquipment, CompiledPoint } from '../mappings/equipment.ts';
import { formatPlan, isEmpty, planReload } from './reload-plan.ts';

function machine(id: string, points: Readonly<Record<string, string>>, connection = 'c'): CompiledEquipment {
  const list = Object.entries(points).map(([name, hash]) => ({ name, hash }) as CompiledPoint);
  return {
    id,
    path: '',
    file: '',
    adapter: 'modbus',
    settings: {},
    points: list,
    messages: [],
    hash: JSON.stringify([points, connection]),
    connectionHash: connection,
  };
}

test('nothing changed, nothing to do', () => {
  expect(isEmpty(planReload([machine('a', { x: '1' })], [machine('a', { x: '1' })]))).toBe(true);
});

test('says what changed as the factory engineer reads it', () => {
  const plan = planReload([machine('a', { x: '1', y: '1', z: '1' })], [machine('a', { x: '2', y: '2', z: '1', w: '1' })]);
  expect(formatPlan(plan)).toEqual([
    '  ~ a: 2 changed, 1 added, 0 removed, connection kept',
    '2 points changed, 1 added, 0 connections reopened',
  ]);
});

test('another connection block reopens the connection', () => {
  const plan = planReload([machine('a', { x: '1' })], [machine('a', { x: '1' }, 'other')]);
  expect(plan.changed[0]?.reopens).toBe(true);
});

test('machines come and go', () => {
  const plan = planReload([machine('a', { x: '1' }), machine('b', {})], [machine('a', { x: '1' }), machine('c', {})]);
  expect(plan.added.map(({ id }) => id)).toEqual(['c']);
  expect(plan.removed.map(({ id }) => id)).toEqual(['b']);
  expect(plan.unchanged).toBe(1);
});
