import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Plant, PlantMachine } from '../../model/plant.ts';
import { hubContext } from '../../test/contract/hub-client.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { memoryOutbox } from '../memory-outbox.ts';
import { DeadLetters } from './dead-letters.ts';
import { Destination } from './destination.ts';
import { parseDestination } from './settings.ts';

test('each line in the log names the destination, also what its hub client says', async () => {
  using folder = tempFolder();
  const lines: object[] = [];
  const say = (fields: object): void => void lines.push(fields);
  const context = { ...hubContext(folder.path), log: { debug: say, info: say, warn: say, error: say } };
  const left = 'gw-test-1-20261124T080000Z-000001.jsonl.part';
  mkdirSync(join(folder.path, 'out'));
  writeFileSync(join(folder.path, 'out', left), '{"id":"1"}\n');
  const config = parseDestination('archive', 'destinations.archive', { kind: 'file', folder: 'out' }, () => {})!;
  const parts = { letters: new DeadLetters(join(folder.path, 'dead'), 'archive'), onSession: undefined };
  await using destination = await Destination.open(config, memoryOutbox().cursor('hub'), context, parts, new AbortController().signal);
  destination.start();
  await vi.waitFor(() => expect(lines).toMatchObject([{ destination: 'archive', file: left }]), 5_000);
});

test.for([
  { select: { equipment: 'cooker-9' }, warned: 1 },
  { select: { equipment: 'cooker-1' }, warned: 0 },
  { select: { points: 'pressure' }, warned: 1 },
])('a selection that no machine of the mappings is in is said at start: $select', async ({ select, warned }) => {
  using folder = tempFolder();
  const lines: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (_: object, message: string) => void lines.push(message) };
  const cooker = { id: 'cooker-1', path: 'a/b', points: [{ name: 'temperature' }] } as unknown as PlantMachine;
  const plant: Plant = { machines: () => [cooker], latest: () => [], onChange: () => ({ [Symbol.dispose]() {} }) };
  const context = { ...hubContext(folder.path), plant, log };
  const config = parseDestination('archive', 'destinations.archive', { kind: 'file', folder: 'out', select }, () => {})!;
  const parts = { letters: new DeadLetters(join(folder.path, 'dead'), 'archive'), onSession: undefined };
  await using destination = await Destination.open(config, memoryOutbox().cursor('hub'), context, parts, new AbortController().signal);
  destination.start();
  expect(lines.filter((line) => line.includes('select'))).toHaveLength(warned);
});
