import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { FakeBox } from './testing/fake-box.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { manifestOf, openRig, spec } from './testing/rig.ts';

const greedy = manifestOf(spec('greedy', { createOptions: { HostConfig: { Privileged: true } } }));

test('who sent the deployment, and what the hub said last, stand with it in one file, over restarts', async () => {
  using folder = tempFolder();
  const clock = new ManualClock();
  const box = new FakeBox(clock);
  const inFile = (): unknown => JSON.parse(readFileSync(join(folder.path, 'deployment.json'), 'utf8'));
  {
    await using rig = await openRig(folder.path, box, clock);
    expect(rig.agent.source).toEqual({ from: undefined, hubSaid: undefined });
    await clock.until(rig.agent.apply(manifestOf(spec('score')), 1, 'hub', 'said 1'));
    expect(rig.agent.source).toEqual({ from: 'hub', hubSaid: 'said 1' });
    await clock.until(rig.agent.apply(manifestOf(spec('scale')), undefined, 'command'));
    expect(rig.agent.source).toEqual({ from: 'command', hubSaid: 'said 1' });
    expect(inFile()).toMatchObject({ from: 'command', hubSaid: 'said 1', open: false });
  }
  await using rig = await openRig(folder.path, box, clock);
  expect(rig.agent.source).toEqual({ from: 'command', hubSaid: 'said 1' });
  expect(await clock.until(rig.agent.apply(greedy, 2, 'hub', 'said 2'))).toMatchObject({ code: 400 });
  // Refused, it changes who is followed as little as what is; but it was said.
  expect(rig.agent.source).toEqual({ from: 'command', hubSaid: 'said 2' });
  await clock.pass(10);
  expect(inFile()).toMatchObject({ from: 'command', hubSaid: 'said 2' });
});

test('a deployment that cannot be written down has had no word', async () => {
  using folder = tempFolder();
  const clock = new ManualClock();
  await using rig = await openRig(folder.path, new FakeBox(clock), clock);
  await clock.until(rig.agent.apply(manifestOf(spec('score')), 1, 'hub', 'said 1'));
  const file = join(folder.path, 'deployment.json');
  renameSync(file, `${file}.kept`);
  // Nothing can take the place of a folder that is not empty.
  mkdirSync(join(file, 'in-the-way'), { recursive: true });
  expect(await clock.until(rig.agent.apply(manifestOf(spec('scale')), undefined, 'command'))).toMatchObject({ code: 500 });
  expect(rig.agent.source).toEqual({ from: 'hub', hubSaid: 'said 1' });
  rmSync(file, { recursive: true });
  await clock.pass(40_000);
  expect(rig.agent.source).toEqual({ from: 'command', hubSaid: 'said 1' });
});
