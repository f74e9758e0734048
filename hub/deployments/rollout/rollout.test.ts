import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../../test/support/temp.ts';
import { type BareHub, startBareHub } from '../../service/testcases/bare-hub.ts';
import { addEdge, imageOf, manifest, report } from '../testcases/fleet.ts';
import type { Health, RolloutState } from './contract.ts';
import { healthOf, type Sections } from './health.ts';
import { type RolloutSettings, readRollout } from './settings.ts';
import { firstState, type RolloutView, steered, step } from './step.ts';

const settingsOf = (rolloutPhases: string, more: Readonly<Record<string, string>> = {}): RolloutSettings =>
  readRollout({ rolloutPhases, rolloutWait: '10m', ...more }).settings as RolloutSettings;

const minutes = (count: number): number => count * 60_000;

/** Ten devices, two of them canaries; all succeed unless said otherwise. */
function viewOf(nowMs: number, health: Readonly<Record<string, Health>> = {}, count = 10): RolloutView {
  const targeted = Array.from({ length: count }, (_, n) => ({ deviceId: `gw-${n}`, tags: n < 2 ? { ring: 'canary' } : {} }));
  return { id: 'new', targeted, health: (id) => health[id] ?? 'succeeded', nowMs };
}

/** Steps until nothing moves. */
function run(settings: RolloutSettings, from: RolloutState, view: RolloutView): RolloutState {
  let state = from;
  for (let next = step(settings, state, view); next !== state; next = step(settings, state, view)) state = next;
  return state;
}

describe('the steps of a rollout', () => {
  test('phase by phase: a count, a part, all; each lasts as long as it must', () => {
    const settings = settingsOf('1, 50%');
    let state = run(settings, firstState(0), viewOf(0));
    expect([state.phase, state.admitted.length]).toEqual([0, 1]);
    state = run(settings, state, viewOf(minutes(9.9)));
    expect([state.phase, state.admitted.length]).toEqual([0, 1]);
    const first = state.admitted[0];
    state = run(settings, state, viewOf(minutes(10)));
    expect([state.phase, state.admitted.length, state.admitted[0]]).toEqual([1, 5, first]);
    state = run(settings, state, viewOf(minutes(20)));
    expect([state.phase, state.admitted.length]).toEqual([2, 10]);
    expect(run(settings, state, viewOf(minutes(30)))).toMatchObject({ status: 'done' });
  });

  test('by tag: canaries first, whoever they are', () => {
    const settings = settingsOf("tags.ring = 'canary', 50%");
    const state = run(settings, firstState(0), viewOf(0));
    expect(state.admitted).toEqual(['gw-0', 'gw-1']);
    const later = run(settings, state, viewOf(minutes(10)));
    expect(later.admitted).toHaveLength(5);
    expect(later.admitted.slice(0, 2)).toEqual(['gw-0', 'gw-1']);
  });

  test('who has it keeps it, however many come after', () => {
    const settings = settingsOf('20%');
    const state = run(settings, firstState(0), viewOf(0));
    const grown = run(settings, state, viewOf(0, {}, 100));
    expect(grown.admitted).toHaveLength(20);
    expect(grown.admitted).toEqual(expect.arrayContaining([...state.admitted]));
  });

  test('goes no further while somebody is to report; who was not reached since is not waited for', () => {
    const settings = settingsOf("tags.ring = 'canary'");
    const state = run(settings, firstState(0), viewOf(0));
    expect(run(settings, state, viewOf(minutes(60), { 'gw-0': 'pending' })).phase).toBe(0);
    expect(run(settings, state, viewOf(minutes(60), { 'gw-0': 'unreached', 'gw-1': 'unreached' })).phase).toBe(0);
    expect(run(settings, state, viewOf(minutes(60), { 'gw-0': 'unreached' })).phase).toBe(1);
  });

  test.for([
    ['0%', ['gw-0'], 'stopped'],
    ['10%', ['gw-0', 'gw-1'], 'stopped'],
    ['50%', ['gw-0', 'gw-1'], 'running'],
  ] as const)('limit %s, failed %j: %s', ([rolloutFailureLimit, failed, status]) => {
    const settings = settingsOf("tags.ring = 'canary', 40%", { rolloutFailureLimit });
    const before: RolloutState = { ...firstState(0), phase: 1, admitted: ['gw-0', 'gw-1', 'gw-2', 'gw-3'] };
    const state = run(settings, before, viewOf(1, Object.fromEntries(failed.map((id) => [id, 'failed']))));
    expect(state.status).toBe(status);
    expect(state.admitted).toHaveLength(4);
    if (status === 'stopped') expect(state.reason).toContain(`${failed.length} of 4 failed`);
  });

  test('stopped: resumed past what a person saw, and stopped again by what is new', () => {
    const settings = settingsOf("tags.ring = 'canary', 50%");
    const failing = { 'gw-0': 'failed' } as const;
    const stopped = run(settings, run(settings, firstState(0), viewOf(0)), viewOf(1, failing));
    expect(stopped.status).toBe('stopped');
    expect(step(settings, stopped, viewOf(minutes(99)))).toBe(stopped);
    const resumed = steered('resume', stopped, settings, viewOf(2, failing)) as RolloutState;
    expect(resumed).toMatchObject({ status: 'running', forgiven: ['gw-0'], sinceMs: 2 });
    const next = run(settings, resumed, viewOf(minutes(11), failing));
    expect([next.status, next.phase, next.admitted.length]).toEqual(['running', 1, 5]);
    expect(run(settings, next, viewOf(minutes(12), { ...failing, 'gw-1': 'failed' })).status).toBe('stopped');
  });

  test('taken back by itself, when it was asked to', () => {
    const settings = settingsOf("tags.ring = 'canary'", { rolloutOnFailure: 'rollback' });
    const state = run(settings, run(settings, firstState(0), viewOf(0)), viewOf(1, { 'gw-0': 'failed' }));
    expect(state).toMatchObject({ status: 'rolled-back', admitted: [], reason: expect.stringContaining('1 of 2 failed') });
    expect(steered('resume', state, settings, viewOf(5))).toEqual(firstState(5));
  });

  test('what a person may do, and when it means nothing', () => {
    const settings = settingsOf('1, 2');
    const [view, running] = [viewOf(0), firstState(0)];
    expect(steered('pause', running, settings, view)?.status).toBe('paused');
    expect(steered('advance', running, settings, view)?.phase).toBe(1);
    expect(steered('rollback', running, settings, view)?.status).toBe('rolled-back');
    expect(steered('resume', running, settings, view)).toBeUndefined();
    expect(steered('advance', { ...running, phase: 2 }, settings, view)).toBeUndefined();
    expect(steered('pause', { ...running, status: 'done' }, settings, view)).toBeUndefined();
  });
});

describe('what labels say', () => {
  test('defaults', () => {
    const { settings } = readRollout({ rolloutPhases: "1, 2.5%, tags.ring IN ['a', 'b'], (tags.x = 'p,q'), *", team: 'kitchen' });
    expect(settings).toMatchObject({ waitMs: 600_000, failureLimit: 0, silenceMs: 1_800_000, onFailure: 'stop' });
    expect(settings?.phases.map(({ kind, text }) => [kind, text])).toEqual([
      ['count', '1'],
      ['fraction', '2.5%'],
      ['condition', "tags.ring IN ['a', 'b']"],
      ['condition', "(tags.x = 'p,q')"],
      ['all', 'all'],
    ]);
  });

  test('all that is wrong at once', () => {
    const { problems } = readRollout({
      rolloutPhases: '0, status = 1',
      rolloutWait: 'soon',
      rolloutFailureLimit: '200%',
      rolloutOnFailure: 'x',
      rolloutStop: '',
    });
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'labels.rolloutStop',
      'labels.rolloutFailureLimit',
      'labels.rolloutOnFailure',
      'labels.rolloutWait',
      'labels.rolloutPhases',
    ]);
    expect(readRollout({ rolloutWait: '5m' }).problems[0]).toMatch(/it needs rolloutPhases/);
    expect(readRollout({ team: 'kitchen' })).toEqual({ problems: [] });
  });
});

describe('how a device is', () => {
  const section = (properties: object, version = 1) => ({ properties: properties as never, version, metadata: { $lastUpdated: '' } });
  const sections = (reported: object, version = 3, desired: object = {}): Sections => ({
    desired: section(desired, version),
    reported: section(reported),
  });
  const said = (code: number, version = 3, more: object = {}) =>
    sections({ lastDesiredVersion: version, lastDesiredStatus: { code, description: 'why' }, ...more }, 3, { modules: { filter: {} } });
  const silent = sections({});
  test.for<[string, Parameters<typeof healthOf>[0], Health, RegExp?]>([
    ['it took it', { agent: said(200), hub: silent, appliedMs: 5, connectedSinceMs: 1, lastActivityMs: 6 }, 'succeeded'],
    ['it could not', { agent: said(500), hub: silent, appliedMs: 5, connectedSinceMs: 1, lastActivityMs: 6 }, 'failed', /500 why/],
    [
      'it refused the routes',
      { agent: said(200), hub: said(400), appliedMs: 5, connectedSinceMs: 1, lastActivityMs: 6 },
      'failed',
      /routes: 400/,
    ],
    [
      'a module does not stay up',
      {
        agent: said(200, 3, { modules: { filter: { runtimeStatus: 'backoff' } } }),
        hub: silent,
        appliedMs: 5,
        connectedSinceMs: 1,
        lastActivityMs: 6,
      },
      'failed',
      /module filter is backoff/,
    ],
    ['it is at it', { agent: said(406), hub: silent, appliedMs: 950, connectedSinceMs: 1, lastActivityMs: 6 }, 'pending'],
    [
      'it speaks of what was before',
      { agent: said(500, 2), hub: silent, appliedMs: 950, connectedSinceMs: 1, lastActivityMs: 6 },
      'pending',
    ],
    ['it is away since before', { agent: silent, hub: silent, appliedMs: 5, connectedSinceMs: undefined, lastActivityMs: 4 }, 'unreached'],
    ['it went away after it', { agent: silent, hub: silent, appliedMs: 5, connectedSinceMs: undefined, lastActivityMs: 950 }, 'pending'],
    [
      'it went away after it, for good',
      { agent: silent, hub: silent, appliedMs: 5, connectedSinceMs: undefined, lastActivityMs: 6 },
      'failed',
      /has not said/,
    ],
    ['it came back a moment ago', { agent: silent, hub: silent, appliedMs: 5, connectedSinceMs: 950, lastActivityMs: 950 }, 'pending'],
    ['it is not written yet', { agent: said(200), hub: silent, appliedMs: undefined, connectedSinceMs: 1, lastActivityMs: 6 }, 'pending'],
  ])('%s', ([, evidence, health, reason]) => {
    const finding = healthOf(evidence, 100, 1_000);
    expect(finding.health).toBe(health);
    if (reason) expect(finding.reason).toMatch(reason);
  });
});

describe('in a hub', () => {
  const labels = { rolloutPhases: '1, 50%', rolloutWait: '0s' };
  const count = 6;
  const ids = Array.from({ length: count }, (_, n) => `gw-${n}`);

  async function fleet(): Promise<BareHub & { having(version: string): readonly string[]; folder: string }> {
    const folder = tempFolder();
    const hub = await startBareHub(folder.path);
    for (const id of ids) await addEdge(hub.core, id);
    await hub.core.deployments.create('old', { content: manifest('1'), targetCondition: '*', priority: 1 });
    await hub.core.deployments.settled();
    const close = hub[Symbol.asyncDispose].bind(hub);
    return {
      ...hub,
      folder: folder.path,
      having: (version) => ids.filter((id) => imageOf(hub.core, id) === `candyco/filter:${version}`),
      async [Symbol.asyncDispose]() {
        await close();
        folder[Symbol.dispose]();
      },
    };
  }

  test('goes to one, to half, to all, as each reports', async () => {
    await using hub = await fleet();
    const { deployments } = hub.core;
    const made = await deployments.create('new', { content: manifest('2'), targetCondition: '*', priority: 2, labels });
    expect(made.rollout).toMatchObject({ status: 'running', phases: ['1', '50%', 'all'], targeted: count });
    const seen: number[] = [];
    for (let round = 0; round < 4; round++) {
      await deployments.settled();
      seen.push(hub.having('2').length);
      for (const id of hub.having('2')) await report(hub.core, id, 200);
    }
    await deployments.settled();
    expect(seen).toEqual([1, 3, 6, 6]);
    expect(deployments.get('new')?.rollout).toMatchObject({ status: 'done', admitted: 6, succeeded: 6, failed: 0 });
    await addEdge(hub.core, 'gw-late');
    await deployments.settled();
    expect(imageOf(hub.core, 'gw-late')).toBe('candyco/filter:2');
    expect(hub.log.filter((line) => line.startsWith('rollout: next phase'))).toHaveLength(2);
  });

  test('stops at the failure, names it, and is taken back: the previous one wins again', async () => {
    await using hub = await fleet();
    const { deployments } = hub.core;
    await deployments.create('new', { content: manifest('2'), targetCondition: '*', priority: 2, labels });
    await deployments.settled();
    const [canary] = hub.having('2');
    await report(hub.core, canary as string, 500);
    await deployments.settled();
    expect(deployments.get('new')?.rollout).toMatchObject({
      ...{ status: 'stopped', phase: 1, admitted: 1, failed: 1, failures: [{ deviceId: canary, reason: '500 the image is missing' }] },
    });
    expect(hub.having('2')).toEqual([canary]);
    expect(hub.log.some((line) => line.startsWith('rollout stopped'))).toBe(true);
    expect((await deployments.steer('new', 'rollback')).rollout).toMatchObject({ status: 'rolled-back', holding: 0 });
    expect([hub.having('1').length, hub.having('2').length]).toEqual([6, 0]);
    expect(hub.log.find((line) => line.startsWith('rollout rolled-back'))).toContain('"by":"person"');
    expect(deployments.get('new')?.rollout).toMatchObject({ status: 'rolled-back', holding: 0 });
    expect(hub.core.twinStore.load(`${canary}/$edgeAgent`).configurations).toEqual({ new: 'Targeted', old: 'Applied' });
    await expect(deployments.steer('new', 'pause')).rejects.toMatchObject({ status: 409 });
    await expect(deployments.steer('old', 'pause')).rejects.toThrow(/no rollout/);
  });

  test('its state is on disk: another hub in the folder goes on where this one was', async () => {
    using folder = tempFolder();
    let canary: string | undefined;
    {
      await using hub = await startBareHub(folder.path);
      for (const id of ids) await addEdge(hub.core, id);
      await hub.core.deployments.create('new', { content: manifest('2'), targetCondition: '*', priority: 2, labels });
      await hub.core.deployments.settled();
      canary = ids.find((id) => imageOf(hub.core, id) !== undefined);
      await hub.core.deployments.steer('new', 'pause');
    }
    await using hub = await startBareHub(folder.path);
    await hub.core.deployments.settled();
    expect(ids.filter((id) => imageOf(hub.core, id) !== undefined)).toEqual([canary]);
    expect(hub.core.deployments.get('new')?.rollout).toMatchObject({ status: 'paused', admitted: 1 });
    await hub.core.deployments.steer('new', 'resume');
    await report(hub.core, canary as string, 200);
    await hub.core.deployments.settled();
    expect(ids.filter((id) => imageOf(hub.core, id) !== undefined)).toHaveLength(3);
  });

  test('a change that does not speak of labels keeps the rollout, one without the label ends it', async () => {
    await using hub = await fleet();
    const { deployments } = hub.core;
    const made = await deployments.create('new', { content: manifest('2'), targetCondition: '*', priority: 2, labels });
    await deployments.settled();
    const changed = await deployments.update('new', { priority: 3 }, made.etag);
    expect(changed.rollout).toMatchObject({ status: 'running', admitted: 1 });
    await deployments.update('new', { labels: {} }, '*');
    await deployments.settled();
    expect(hub.having('2')).toHaveLength(6);
    expect(deployments.get('new')).not.toHaveProperty('rollout');
  });

  test('a deployment that everybody has already may get a rollout: nobody loses it', async () => {
    await using hub = await fleet();
    await hub.core.deployments.update('old', { labels }, '*');
    await hub.core.deployments.settled();
    expect(hub.having('1')).toHaveLength(6);
  });
});
