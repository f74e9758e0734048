import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { RestartPolicy } from '../contract.ts';
import { FakeBox, type OnCall, refused } from './testing/fake-box.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { manifestOf, openRig, type Rig, spec } from './testing/rig.ts';

/** One module is swapped, one comes, one goes. */
const swapping = (restartPolicy: RestartPolicy) => ({
  before: manifestOf(spec('swapped', { restartPolicy }), spec('goes')),
  after: manifestOf(spec('swapped', { restartPolicy, image: 'candyco/swapped:2' }), spec('comes')),
});
/** Nothing but the way back starts such a module again. */
const { before, after } = swapping('never');
const oldOnes = ['goes candyco/goes:1 running', 'swapped candyco/swapped:1 running'];
const newOnes = ['comes candyco/comes:1 running', 'swapped candyco/swapped:2 running'];

interface Story {
  readonly folder: string;
  readonly clock: ManualClock;
  readonly box: FakeBox;
  /** The agent that is about to carry out `after`; `at` is called at its calls, counted from 1. */
  open(at: (call: number, when: 'before' | 'after') => void | Promise<void>): Promise<Rig>;
}

/** On a box where `before` was carried out. */
async function told(story: (story: Story) => Promise<void>, manifest = before): Promise<void> {
  using folder = tempFolder();
  const clock = new ManualClock();
  const box = new FakeBox(clock);
  {
    await using rig = await openRig(folder.path, box, clock);
    expect(await clock.until(rig.agent.apply(manifest, 1, 'hub'))).toMatchObject({ code: 200 });
  }
  expect(box.picture()).toEqual(oldOnes);
  await story({
    ...{ folder: folder.path, clock, box },
    async open(at) {
      const count = { before: 0, after: 0 };
      const onCall: OnCall = (_, when) => at(++count[when], when);
      return openRig(folder.path, box, clock, { engine: async () => box.connect(onCall) });
    },
  });
}

/** Whole: each module is as before or as after, once, under its name, running. */
function expectWhole(box: FakeBox): void {
  const picture = box.picture();
  const swapped = picture.filter((line) => line.startsWith('swapped'));
  expect([[oldOnes[1]], [newOnes[1]]]).toContainEqual(swapped);
  for (const line of picture) expect([...oldOnes, ...newOnes]).toContain(line);
  expect(new Set(picture.map((line) => line.split(' ')[0])).size).toBe(picture.length);
}

/** More than a swap has; a round where nothing happened any more ends the series. */
const mostCalls = 80;

async function atEachCall(
  when: readonly ('before' | 'after')[],
  round: (call: number, when: 'before' | 'after') => Promise<boolean>,
  step = 1,
) {
  let rounds = 0;
  for (let call = 1; call < mostCalls; call += step) {
    let reached = false;
    for (const moment of when) if (await round(call, moment)) reached = true;
    if (!reached) break;
    rounds += step;
  }
  // So that a change of the fake does not leave this test with nothing to do.
  expect(rounds).toBeGreaterThan(20);
  expect(rounds).toBeLessThan(mostCalls - 1);
}

/** Where both moments of a call are much the same. */
const everyOther = 2;

/** The agent that is killed is never disposed: it hangs in its call for good. */
async function killAt(call: number, moment: 'before' | 'after', next: (story: Story) => Promise<void>): Promise<boolean> {
  let dead = false;
  await told(async (story) => {
    const killed = Promise.withResolvers<void>();
    const never = new Promise<void>(() => {});
    const rig = await story.open((count, when) => {
      if (count === call && when === moment) {
        dead = true;
        killed.resolve();
      }
      return dead ? never : undefined;
    });
    const applied = rig.agent.apply(after, 2, 'hub');
    await story.clock.until(Promise.race([applied, killed.promise]));
    if (dead) await next(story);
    else await rig[Symbol.asyncDispose]();
  });
  return dead;
}

describe('kill -9 of the gateway at each call of a deployment', () => {
  test('ends, without a hub, with the deployment carried out', { timeout: 60_000 }, async () => {
    await atEachCall(['before', 'after'], (call, moment) =>
      killAt(call, moment, async ({ folder, box, clock }) => {
        await using rig = await openRig(folder, box, clock);
        await clock.pass(60_000);
        // Killed before anything was written down, it is as if it never came.
        expect([oldOnes, newOnes], `killed ${moment} call ${call}`).toContainEqual(box.picture());
        const version = box.picture().includes(newOnes[0]!) ? 2 : 1;
        expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: version, lastDesiredStatus: { code: 200 } });
      }),
    );
  });

  test('leaves what ran running where the new one cannot be had any more', { timeout: 60_000 }, async () => {
    await atEachCall(['after'], (call, moment) =>
      killAt(call, moment, async ({ folder, box, clock }) => {
        await using rig = await openRig(folder, box, clock);
        for (const image of ['candyco/swapped:2', 'candyco/comes:1']) rig.images.missing.set(image, refused('image-absent', 'gone'));
        await clock.pass(10_000);
        expectWhole(box);
      }),
    );
  });
});

test('kill -9 of the engine at each call ends with the deployment carried out', { timeout: 60_000 }, async () => {
  const always = swapping('always');
  await atEachCall(['before', 'after'], async (call, moment) => {
    let [died, applied] = [false, false];
    await told(async ({ box, clock, open }) => {
      await using rig = await open((count, when) => {
        if (died || applied || count !== call || when !== moment) return;
        died = true;
        box.engineDies();
        if (when === 'after') throw refused('engine-absent', 'the connection broke');
      });
      await clock.until(rig.agent.apply(always.after, 2, 'hub'));
      applied = true;
      await clock.pass(2_000);
      box.engineStarts();
      await clock.pass(60_000);
      expect(box.picture(), `died ${moment} call ${call}`).toEqual(newOnes);
      expect(rig.agent.reported()).toMatchObject({ lastDesiredVersion: 2, lastDesiredStatus: { code: 200 } });
    }, always.before);
    return died;
  });
});

test('any call that fails leaves each module whole, and the status says so', { timeout: 60_000 }, async () => {
  await atEachCall(
    ['before'],
    async (call) => {
      let failed = false;
      await told(async ({ box, clock, open }) => {
        await using rig = await open((count, when) => {
          if (failed || count !== call || when !== 'before') return;
          failed = true;
          throw refused('engine-error', 'the engine has hiccups');
        });
        const { code } = await clock.until(rig.agent.apply(after, 2, 'hub'));
        await clock.pass(120_000);
        expectWhole(box);
        if (code === 200) expect(box.picture(), `failed call ${call}`).toEqual(newOnes);
      });
      return failed;
    },
    everyOther,
  );
});

test('a disk that is full from any call on leaves each module whole', { timeout: 60_000 }, async () => {
  await atEachCall(
    ['before'],
    async (call) => {
      let full = false;
      await told(async ({ folder, box, clock, open }) => {
        const records = join(folder, 'modules');
        {
          await using rig = await open((count, when) => {
            if (full || count !== call || when !== 'before') return;
            full = true;
            renameSync(records, `${records}.kept`);
            writeFileSync(records, '');
          });
          await clock.until(rig.agent.apply(after, 2, 'hub'));
          await clock.pass(120_000);
          expectWhole(box);
        }
        if (!full) return;
        rmSync(records);
        renameSync(`${records}.kept`, records);
        await using _rig = await openRig(folder, box, clock);
        await clock.pass(60_000);
        expect(box.picture(), `full from call ${call}`).toEqual(newOnes);
      });
      return full;
    },
    everyOther,
  );
});
