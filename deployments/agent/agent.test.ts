import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../../model/error.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { Manifest, ModuleSpec } from '../contract.ts';
import { writeManifest } from '../manifest/write-manifest.ts';
import { FakeBox, refused } from './testing/fake-box.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { manifestOf, openRig, type Rig, spec } from './testing/rig.ts';

let folder: ReturnType<typeof tempFolder>;
let clock: ManualClock;
let box: FakeBox;
let rig: Rig;

beforeEach(async () => {
  folder = tempFolder();
  clock = new ManualClock();
  box = new FakeBox(clock);
  rig = await openRig(folder.path, box, clock);
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const apply = (...specs: readonly ModuleSpec[]) => applyVersion(1, ...specs);
const applyVersion = (version: number | undefined, ...specs: readonly ModuleSpec[]) =>
  clock.until(rig.agent.apply(manifestOf(...specs), version, 'hub'));

describe('a deployment', () => {
  test('is carried out in startupOrder, and what is not in the next one goes', async () => {
    expect(await apply(spec('late'), spec('early', { startupOrder: 1 }), spec('off', { status: 'stopped' }))).toEqual({
      code: 200,
      description: '',
    });
    expect(box.picture()).toEqual(['early candyco/early:1 running', 'late candyco/late:1 running', 'off candyco/off:1 created']);
    const starts = box.calls.filter((call) => call.startsWith('start '));
    expect(starts.map((call) => call.split(/[ .]/)[1])).toEqual(['early', 'late']);
    expect(await applyVersion(2, spec('late'))).toMatchObject({ code: 200 });
    expect(box.picture()).toEqual(['late candyco/late:1 running']);
    expect(rig.removedIdentities.sort()).toEqual(['early', 'off']);
  });

  test('is told of once it is written down and before any of its modules is begun; a refused one is not', async () => {
    await rig[Symbol.asyncDispose]();
    const told: { readonly modules: readonly string[]; readonly made: number; readonly written: boolean }[] = [];
    rig = await openRig(folder.path, box, clock, {
      onFollowed: ({ modules }) =>
        void told.push({
          modules: [...modules.keys()],
          made: box.calls.filter((call) => call.startsWith('create ')).length,
          written: readFileSync(join(folder.path, 'deployment.json'), 'utf8').includes('score'),
        }),
    });
    await apply(spec('score'));
    await apply(spec('greedy', { createOptions: { HostConfig: { Privileged: true } } }));
    expect(told).toEqual([{ modules: ['score'], made: 0, written: true }]);
  });

  test('is settled when all of it is carried out, at each start anew, and never while something of it failed', async () => {
    await rig[Symbol.asyncDispose]();
    const settled: string[] = [];
    const onSettled = ({ modules }: Manifest): void => void settled.push([...modules.keys()].join());
    rig = await openRig(folder.path, box, clock, { onSettled });
    await apply(spec('score'), spec('scale'));
    expect(settled).toEqual(['score,scale']);
    rig.images.missing.set('candyco/score:2', new GatewayError('image-missing', 'not there', { retry: 'with-backoff' }));
    expect(await applyVersion(2, spec('score', { image: 'candyco/score:2' }))).toMatchObject({ code: 500 });
    expect(box.picture()).toEqual(['score candyco/score:1 running']);
    expect(settled).toHaveLength(1);
    await rig[Symbol.asyncDispose]();
    rig = await openRig(folder.path, box, clock, { onSettled });
    await clock.pass(60_000);
    expect(settled).toEqual(['score,scale', 'score']);
    await rig[Symbol.asyncDispose]();
    rig = await openRig(folder.path, box, clock, { onSettled });
    await clock.pass(1_000);
    expect(settled).toEqual(['score,scale', 'score', 'score']);
  });

  test('replaces one module and touches no other', async () => {
    await apply(spec('score'), spec('scale'));
    const { id } = box.named('scale');
    expect(await applyVersion(2, spec('score', { image: 'candyco/score:2' }), spec('scale'))).toMatchObject({ code: 200 });
    expect(box.picture()).toEqual(['scale candyco/scale:1 running', 'score candyco/score:2 running']);
    expect(box.named('scale').id).toBe(id);
    expect(rig.images.needed).toEqual(new Set(['candyco/score:2', 'candyco/scale:1']));
  });

  test('whose new version ends at once leaves the old one running, says why, and lets others go on', async () => {
    box.behaviours.set('candyco/score:2', { exits: 3, logs: ['no model'] });
    await apply(spec('score'), spec('scale'));
    const status = await applyVersion(2, spec('score', { image: 'candyco/score:2' }), spec('scale', { image: 'candyco/scale:2' }));
    expect(status.code).toBe(500);
    expect(status.description).toMatch(/1 of 2 modules.*score: candyco\/score:2 did not come up: it ended after 0 s with exit code 3/);
    expect(box.picture()).toEqual(['scale candyco/scale:2 running', 'score candyco/score:1 running']);
  });

  test('that failed by its module is not tried over and over, but is when a person sends it', async () => {
    box.behaviours.set('candyco/score:2', { exits: 3 });
    await apply(spec('score'));
    const next = spec('score', { image: 'candyco/score:2' });
    await applyVersion(2, next);
    const before = box.calls.length;
    expect(await applyVersion(2, next)).toMatchObject({ code: 500 });
    expect(box.calls.slice(before).filter((call) => /^(stop|create)/.test(call))).toEqual([]);
    box.behaviours.clear();
    expect(await applyVersion(undefined, next)).toMatchObject({ code: 200 });
  });

  test('that turns unhealthy, or never healthy, goes back', async () => {
    await apply(spec('score'));
    for (const health of ['unhealthy', 'starting'] as const) {
      box.behaviours.set('candyco/score:2', { health });
      const status = await applyVersion(undefined, spec('score', { image: 'candyco/score:2' }));
      expect(status.description).toMatch(/health check/);
      expect(box.picture()).toEqual(['score candyco/score:1 running']);
    }
  });

  test('that a job ends well is good', async () => {
    box.behaviours.set('candyco/job:1', { exits: 0 });
    expect(await apply(spec('job', { restartPolicy: 'on-failure' }))).toMatchObject({ code: 200 });
    await clock.pass(120_000);
    expect(box.calls.filter((call) => call.startsWith('start'))).toHaveLength(1);
    expect(rig.agent.running()).toMatchObject([{ name: 'job', runtimeStatus: 'stopped' }]);
  });

  test('stops the old one before the new one starts: they may share a port', async () => {
    const port = { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } } };
    await apply(spec('score', { createOptions: port }));
    const next = spec('score', { image: 'candyco/score:2', createOptions: port });
    expect(await applyVersion(2, next)).toEqual({ code: 200, description: '' });
    expect(box.picture()).toEqual(['score candyco/score:2 running']);
    expect(box.calls.filter((call) => call.startsWith('stop '))).toEqual(['stop score']);
  });

  test('that wants a module whose removal was not finished has it', async () => {
    await rig[Symbol.asyncDispose]();
    let stuck = true;
    const remove = async (): Promise<void> => {
      if (stuck) throw new Error('not now');
    };
    rig = await openRig(folder.path, box, clock, { identities: { ensure: async () => {}, remove } });
    await apply(spec('score'));
    expect(await applyVersion(2)).toMatchObject({ code: 500, description: expect.stringContaining('not now') });
    expect(await applyVersion(3, spec('score'))).toEqual({ code: 200, description: '' });
    await clock.pass(120_000);
    expect(box.picture()).toEqual(['score candyco/score:1 running']);
    await applyVersion(4);
    stuck = false;
    await clock.pass(120_000);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredStatus: { code: 200 }, modules: {} });
  });

  test('moves a port from a module that goes to one that comes', async () => {
    const port = { HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } } };
    await apply(spec('old', { createOptions: port }));
    expect(await applyVersion(2, spec('fresh', { createOptions: port }))).toEqual({ code: 200, description: '' });
    expect(box.picture()).toEqual(['fresh candyco/fresh:1 running']);
  });

  test('that the policy forbids is refused with its place, and changes nothing', async () => {
    await apply(spec('score'));
    const before = box.calls.length;
    const status = await applyVersion(
      2,
      spec('score', { image: 'x:2', createOptions: { HostConfig: { Privileged: true } } }),
      spec('more'),
    );
    expect(status).toMatchObject({ code: 400, description: expect.stringContaining('createOptions.HostConfig.Privileged') });
    expect(box.calls.length).toBe(before);
    await vi.waitFor(() => expect(rig.reports.at(-1)).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 400 } }));
  });

  test('whose image is not to be had is tried again when that may help', async () => {
    rig.images.missing.set('candyco/score:2', refused('registry-unreachable', 'registry candyco does not answer'));
    await apply(spec('score'));
    const status = await applyVersion(2, spec('score', { image: 'candyco/score:2' }), spec('scale'));
    expect(status).toMatchObject({ code: 500, description: expect.stringContaining('registry candyco does not answer') });
    expect(box.picture()).toEqual(['scale candyco/scale:1 running', 'score candyco/score:1 running']);
    rig.images.missing.clear();
    await clock.pass(40_000);
    expect(box.picture()).toEqual(['scale candyco/scale:1 running', 'score candyco/score:2 running']);
    await vi.waitFor(() => expect(rig.reports.at(-1)).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 200 } }));
  });

  test('new and never good stays, is restarted, and is reported as failed until it is good', async () => {
    box.behaviours.set('candyco/score:1', { exits: 1 });
    expect(await apply(spec('score'))).toMatchObject({ code: 500 });
    expect(rig.agent.running()).toMatchObject([{ name: 'score', runtimeStatus: 'backoff' }]);
    box.behaviours.clear();
    await clock.pass(100_000);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredStatus: { code: 200 }, modules: { score: { runtimeStatus: 'running' } } });
  });

  test('that cannot be written down is not begun, and is when there is room again', async () => {
    await apply(spec('score'));
    const file = join(folder.path, 'deployment.json');
    renameSync(file, `${file}.kept`);
    mkdirSync(join(file, 'full'), { recursive: true });
    const before = box.calls.length;
    const status = await applyVersion(2, spec('score', { image: 'candyco/score:2' }));
    expect(status).toMatchObject({ code: 500, description: expect.stringContaining(`${folder.path} cannot be written`) });
    expect(box.calls.length).toBe(before);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 500 } });
    rmSync(file, { recursive: true });
    await clock.pass(40_000);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 200 } });
    expect(box.picture()).toEqual(['score candyco/score:2 running']);
  });

  test('is reported when it is known how it went, and not before', async () => {
    await apply(spec('score'));
    const applied = rig.agent.apply(manifestOf(spec('score', { image: 'candyco/score:2' })), 2, 'hub');
    await clock.pass(500);
    expect(box.picture()).toHaveLength(2);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 1, lastDesiredStatus: { code: 200 } });
    await clock.until(applied);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 200 } });
  });

  test('gives way to a newer one', async () => {
    const first = rig.agent.apply(manifestOf(spec('one')), 1, 'hub');
    const second = rig.agent.apply(manifestOf(spec('other')), 2, 'hub');
    expect((await clock.until(second)).code).toBe(200);
    expect((await first).code).toBe(406);
    expect(box.picture()).toEqual(['other candyco/other:1 running']);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 200 } });
  });

  test('does not take the name of a container that somebody else made', async () => {
    await (await box.open()).create('score', { Image: 'x', Labels: {} });
    expect(await apply(spec('score'))).toMatchObject({ code: 500, description: expect.stringContaining('that this gateway did not make') });
    expect(box.picture()).toEqual(['score x created']);
  });
});

describe('without an engine', () => {
  test('modules are refused with a clear status, and made when there is one', async () => {
    box.engineDies();
    const status = await apply(spec('score'));
    expect(status).toMatchObject({ code: 500, description: 'no engine answers at fake' });
    expect(await applyVersion(2)).toEqual({ code: 200, description: '' });
    await applyVersion(3, spec('score'));
    box.engineStarts();
    await clock.pass(35_000);
    expect(box.picture()).toEqual(['score candyco/score:1 running']);
    expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 3, lastDesiredStatus: { code: 200 } });
  });

  test('modules are unknown, and run again when it is back', async () => {
    await apply(spec('score'), spec('job', { restartPolicy: 'never' }));
    box.engineDies();
    await clock.pass(10);
    expect(rig.agent.reported()).toMatchObject({
      modules: { score: { runtimeStatus: 'unknown', statusDescription: 'no engine answers at fake' } },
    });
    box.engineStarts();
    await clock.pass(35_000);
    expect(
      rig.agent
        .running()
        .map(({ name, runtimeStatus }) => `${name} ${runtimeStatus}`)
        .sort(),
    ).toEqual(['job failed', 'score running']);
  });
});

test('an engine that takes the connection and says nothing keeps nobody from going on', async () => {
  await rig[Symbol.asyncDispose]();
  rig = await openRig(folder.path, box, clock, { engine: () => new Promise(() => {}) });
  expect(await apply(spec('score'))).toMatchObject({ code: 500, description: 'the container engine has not answered yet' });
});

test('closed in the middle of a swap, the old one runs, and the swap is made at the next start', async () => {
  await apply(spec('score'));
  const applied = rig.agent.apply(manifestOf(spec('score', { image: 'candyco/score:2' })), 2, 'hub');
  await clock.pass(500);
  expect(box.picture()).toEqual(['score candyco/score:1 exited', expect.stringMatching(/^score\.\w+ candyco\/score:2 running$/)]);
  await rig[Symbol.asyncDispose]();
  await applied;
  expect(box.picture()).toEqual(['score candyco/score:1 running']);
  rig = await openRig(folder.path, box, clock);
  await clock.pass(5_000);
  expect(box.picture()).toEqual(['score candyco/score:2 running']);
  expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 200 } });
});

describe('a module', () => {
  const starts = (): number => box.calls.filter((call) => call.startsWith('start score')).length;

  test('that ends is restarted after 10 s, 20 s, 40 s … 300 s, twenty times, then no more', async () => {
    await apply(spec('score'));
    box.behaviours.set('candyco/score:1', { exits: 1 });
    box.ends('score', 1);
    await clock.pass(9_000);
    expect(rig.agent.running()).toMatchObject([{ runtimeStatus: 'backoff' }]);
    expect(starts()).toBe(1);
    await clock.pass(2_000);
    expect(starts()).toBe(2);
    await clock.pass(21_000);
    expect(starts()).toBe(3);
    await clock.pass(6_000_000);
    expect(starts()).toBe(21);
    expect(rig.agent.running()).toMatchObject([{ runtimeStatus: 'failed' }]);
    expect(rig.acts).toContainEqual(expect.objectContaining({ action: 'give up', target: 'score' }));
  });

  test('that ran ten minutes begins to count anew', async () => {
    await apply(spec('score'));
    for (const round of [1, 2]) {
      box.ends('score', 1);
      await clock.pass(11_000);
      expect(rig.agent.reported()).toMatchObject({ modules: { score: { runtimeStatus: 'running', restartCount: 1 } } });
      await clock.pass(600_000 * round);
    }
  });

  test('that turns unhealthy is restarted, and not when it is well again in time', async () => {
    box.behaviours.set('candyco/score:1', { health: 'healthy' });
    await apply(spec('score', { restartPolicy: 'on-unhealthy' }));
    box.turns('score', 'unhealthy');
    await clock.pass(5_000);
    box.turns('score', 'healthy');
    await clock.pass(20_000);
    expect(starts()).toBe(1);
    box.turns('score', 'unhealthy');
    await clock.pass(11_000);
    expect(starts()).toBe(2);
  });

  test('whose container somebody removed is made again', async () => {
    await apply(spec('score'));
    await (await box.open()).remove(box.named('score').id);
    await clock.pass(15_000);
    expect(box.picture()).toEqual(['score candyco/score:1 running']);
  });

  test('that is to be stopped is stopped, and is not restarted', async () => {
    await apply(spec('score'));
    await applyVersion(2, spec('score', { status: 'stopped' }));
    await clock.pass(700_000);
    expect(box.picture()).toEqual(['score candyco/score:1 exited']);
    expect(rig.agent.running()).toMatchObject([{ runtimeStatus: 'stopped' }]);
    await applyVersion(3, spec('score'));
    expect(box.picture()).toEqual(['score candyco/score:1 running']);
  });
});

test('another agent on the same folder carries on, without a hub', async () => {
  await apply(spec('score'), spec('scale'));
  await rig[Symbol.asyncDispose]();
  box.ends('score', 137);
  rig = await openRig(folder.path, box, clock);
  await clock.pass(1_000);
  expect(box.picture()).toEqual(['scale candyco/scale:1 running', 'score candyco/score:1 running']);
  expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 1, lastDesiredStatus: { code: 200 } });
  expect([...rig.agent.manifest!.modules.keys()]).toEqual(['score', 'scale']);
});

test('a deployment that ended the gateway three times is left alone, and modules run on', async () => {
  await apply(spec('score'));
  await rig[Symbol.asyncDispose]();
  const file = join(folder.path, 'deployment.json');
  const stored = JSON.parse(readFileSync(file, 'utf8'));
  const manifest = writeManifest(manifestOf(spec('score', { image: 'candyco/score:2' })));
  writeFileSync(
    file,
    JSON.stringify({ ...stored, manifest, version: 2, before: { version: 1, status: stored.status }, open: true, begun: 3 }),
  );
  rig = await openRig(folder.path, box, clock);
  await clock.pass(1_000);
  expect(box.picture()).toEqual(['score candyco/score:1 running']);
  expect(rig.agent.reported()).toMatchObject({
    lastDesiredVersion: 2,
    lastDesiredStatus: { code: 500, description: expect.stringContaining('ended 3 times') },
  });
});

test.for(['', '{"module":', '{}'])(
  'a record that has %j costs nothing that runs, and the next deployment makes the module anew',
  async (text) => {
    await apply(spec('score'), spec('scale'));
    await rig[Symbol.asyncDispose]();
    writeFileSync(join(folder.path, 'modules', 'score.json'), text);
    const { id } = box.named('score');
    rig = await openRig(folder.path, box, clock);
    await clock.pass(1_000);
    expect(box.named('score').id).toBe(id);
    expect(await applyVersion(2, spec('score'), spec('scale'))).toEqual({ code: 200, description: '' });
    expect(box.named('score').id).not.toBe(id);
    expect(box.picture()).toEqual(['scale candyco/scale:1 running', 'score candyco/score:1 running']);
  },
);

describe('what the gateway gives a module', () => {
  const reopen = async (more: Record<string, string>): Promise<void> => {
    await rig[Symbol.asyncDispose]();
    const environmentOf = async (module: string) => ({ env: { IOTEDGE_MODULEID: module, ...more }, binds: [] });
    rig = await openRig(folder.path, box, clock, { environmentOf });
    await clock.pass(10_000);
  };

  test('is renewed when it changed while the gateway was stopped, and nothing is touched when it did not', async () => {
    await apply(spec('score'));
    const { id } = box.named('score');
    await reopen({});
    expect(box.named('score').id).toBe(id);
    await reopen({ IOTEDGE_GATEWAYHOSTNAME: 'renamed' });
    expect(box.named('score').body.Env).toContain('IOTEDGE_GATEWAYHOSTNAME=renamed');
    expect(box.picture()).toEqual(['score candyco/score:1 running']);
  });

  test('is renewed by hand, with what is deployed by then', async () => {
    await apply(spec('score'));
    const { id } = box.named('score');
    await clock.until(rig.agent.remake(['score', 'nobody'], 'hub'));
    expect(box.named('score').id).not.toBe(id);
    const applied = rig.agent.apply(manifestOf(spec('score', { image: 'candyco/score:2' })), 2, 'hub');
    const remade = rig.agent.remake(['score'], 'hub');
    await clock.until(Promise.all([applied, remade]));
    expect(box.picture()).toEqual(['score candyco/score:2 running']);
  });
});

test('idle it asks the engine for one list a minute', async () => {
  await apply(spec('score'), spec('scale'));
  await clock.pass(1_000);
  const before = box.calls.length;
  await clock.pass(600_000);
  expect(box.calls.slice(before)).toEqual(Array.from({ length: 10 }, () => 'containers'));
});
