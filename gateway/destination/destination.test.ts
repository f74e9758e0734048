import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
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
