import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TwinObject } from '../../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { MemoryHub } from './testing/memory-hub.ts';
import { hastyAgent, listLog, recorder } from './testing/support.ts';

test('reports of a moment leave as one patch, and only what differs from what the hub has', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  await using agent = hastyAgent(folder.path);
  agent.report('version', '1.2.0');
  agent.report('machines.cooker-1', { connected: true, points: 5 });
  agent.report({ machines: { 'press-7': { connected: false } }, version: '1.2.1' });
  await agent.attach(hub.connect());
  await hub.until((reported) => reported.version === '1.2.1');
  expect(hub.patches.map(({ patch }) => patch)).toEqual([
    { version: '1.2.1', machines: { 'cooker-1': { connected: true, points: 5 }, 'press-7': { connected: false } } },
  ]);
  agent.report('machines.cooker-1', { connected: false, points: 5 });
  agent.report({ machines: { 'press-7': null } });
  agent.report('version', '1.2.1');
  await hub.until((reported) => !('press-7' in (reported.machines as object)));
  expect(hub.patches.slice(1).map(({ patch }) => patch)).toEqual([{ machines: { 'press-7': null, 'cooker-1': { connected: false } } }]);
});

test('a value that is given may be changed by its owner afterwards', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  await using agent = hastyAgent(folder.path);
  const mine = { list: [1], at: new Date(0), left: undefined, gone: null };
  agent.report('a', mine);
  mine.list.push(2);
  await agent.attach(hub.connect());
  await hub.until((reported) => 'a' in reported);
  expect(hub.reported.properties).toEqual({ a: { list: [1], at: '1970-01-01T00:00:00.000Z' } });
});

test('the places of answers and refusals are not for others', async () => {
  using folder = tempFolder();
  await using agent = hastyAgent(folder.path);
  expect(() => agent.report('desired.mappings', 1)).toThrow(TypeError);
  expect(() => agent.report({ desired: {} })).toThrow(TypeError);
  expect(() => agent.report(['refused'], null)).toThrow(TypeError);
  agent.section('a', recorder());
  expect(() => agent.section('a', recorder())).toThrow(TypeError);
});

describe('one patch in a time', () => {
  test('however often is reported', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path, { patchEveryMs: 60 });
    await agent.attach(hub.connect());
    const started = performance.now();
    let n = 0;
    while (performance.now() - started < 400) {
      for (let i = 0; i < 1_000; i++) agent.report(`points.p${i}`, ++n);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const last = n;
    await hub.until((reported) => (reported.points as TwinObject).p999 === last);
    const gaps = hub.patches.slice(1).map(({ atMs }, index) => atMs - hub.patches[index]!.atMs);
    expect(Math.min(...gaps)).toBeGreaterThan(55);
    expect(hub.patches.length).toBeGreaterThan(1);
  });

  test('also over links that come and go, and with patches that are split', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path, { patchEveryMs: 40, maxPatchBytes: 2_000 });
    const wanted = Object.fromEntries(
      Array.from({ length: 10 }, (_, s) => [`s${s}`, Object.fromEntries(Array.from({ length: 40 }, (_v, i) => [`k${i}`, s * i]))]),
    );
    agent.report(wanted);
    let link = hub.connect();
    hub.onReport = () => {
      if (hub.patches.length % 2 === 1) return;
      link.cut();
      link = hub.connect();
      void agent.attach(link, link.signal);
    };
    await agent.attach(link, link.signal);
    await hub.until((reported) => Object.keys(reported).length === 10 && Object.keys(reported.s9 as object).length === 40);
    expect(hub.reported.properties).toEqual(wanted);
    const gaps = hub.patches.slice(1).map(({ atMs }, index) => atMs - hub.patches[index]!.atMs);
    expect(Math.min(...gaps)).toBeGreaterThan(35);
    for (const { patch } of hub.patches) expect(JSON.stringify(patch).length).toBeLessThanOrEqual(2_000);
  });
});

describe('never lost', () => {
  test('a patch without an answer: the hub is asked what it has, and gets the rest', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    const link = hub.connect();
    link.cutAfterReport = true;
    agent.report('a', 1);
    await agent.attach(link, link.signal);
    await hub.until((reported) => reported.a === 1);
    agent.report('b', 2);
    agent.report('a', 3);
    agent.report('a', 1);
    const next = hub.connect();
    await agent.attach(next, next.signal);
    await hub.until((reported) => reported.b === 2);
    expect(hub.patches.map(({ patch }) => patch)).toEqual([{ a: 1 }, { b: 2 }]);
  });

  test('a hub that does not answer in time over a link that stays', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    hub.onReport = () => {
      if (hub.patches.length === 1) throw new NotConnectedError('hub-timeout', 'no answer', { retry: 'with-backoff' });
    };
    agent.report('a', 1);
    await agent.attach(hub.connect());
    await hub.until((reported) => reported.a === 1);
  });

  test('a hub that gives no twin at first is asked until it does', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    const link = hub.connect();
    let asked = 0;
    link.twin = () => {
      if (++asked < 3) return Promise.reject(new NotConnectedError('hub-timeout', 'no answer', { retry: 'with-backoff' }));
      return Promise.resolve(hub.twin());
    };
    agent.report('a', 1);
    await agent.attach(link, link.signal);
    await hub.until((reported) => reported.a === 1);
    expect(asked).toBe(3);
  });

  test('an answer over a link that was replaced proves nothing', async () => {
    using folder = tempFolder();
    await using agent = hastyAgent(folder.path, { patchEveryMs: 30 });
    const old = new MemoryHub().connect();
    let answer = (): void => {};
    const sent = new Promise<void>((resolve) => {
      old.report = () => {
        resolve();
        return new Promise((late) => {
          answer = () => late(2);
        });
      };
    });
    agent.report('a', 1);
    await agent.attach(old);
    await sent;
    const hub = new MemoryHub();
    await agent.attach(hub.connect());
    answer();
    await hub.until((reported) => reported.a === 1);
  });

  test('keys at the hub that nobody reports any more are removed', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await hub.report({ old: { x: 1 }, a: { y: 2, z: 3 } });
    await using agent = hastyAgent(folder.path);
    agent.report('a', { z: 3 });
    await agent.attach(hub.connect());
    await hub.until((reported) => !('old' in reported));
    expect(hub.reported.properties).toEqual({ a: { z: 3 } });
  });

  test('kill -9 while nobody listens: what was on disk reaches the hub of the next life', { timeout: 30_000 }, async () => {
    const child = fileURLToPath(new URL('./testing/kill-reporter.ts', import.meta.url));
    using folder = tempFolder();
    for (let round = 0; round < 3; round++) {
      const promised = await (async () => {
        await using process_ = startChild(process.execPath, [child, folder.path, String(round)]);
        await process_.line(/^on disk \d*[1-9]\d*$/);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
        process_.process.kill('SIGKILL');
        await process_.exited;
        const complete = process_.output().split('\n').slice(0, -1);
        return Number(complete.at(-1)?.slice('on disk '.length));
      })();
      const hub = new MemoryHub();
      await using agent = hastyAgent(folder.path);
      await agent.attach(hub.connect());
      const reported = await hub.until((all) => all.round === round);
      expect(reported.count, 'at least what was promised').toBeGreaterThanOrEqual(promised);
    }
  });

  test('a folder that cannot be written is said once, and everything else goes on', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired({ s: 1 });
    const log = listLog();
    await using agent = hastyAgent('/dev/null/nowhere', { log });
    agent.section('s', recorder());
    agent.report('a', 1);
    expect(await agent.onDisk()).toBe(false);
    await agent.attach(hub.connect());
    await hub.until((reported) => reported.a === 1 && reported.desired !== undefined);
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect(folder.path).not.toBe('');
  });
});

describe('limits', () => {
  const bulky = (bytes: number): string[] => Array.from({ length: Math.ceil(bytes / 1_000) }, () => 'x'.repeat(1_000));

  test('10 000 points are too much for a twin: that section stays away, with one line in the log; the rest goes', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    const log = listLog();
    await using agent = hastyAgent(folder.path, { log });
    agent.section('s', recorder());
    hub.patchDesired({ s: 1 });
    await agent.attach(hub.connect());
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 10_000; i++) agent.report(['points', `p${i}`], round);
      agent.report('summary', { good: 10_000, round });
      await hub.until((reported) => (reported.summary as TwinObject | undefined)?.round === round);
    }
    await hub.until((reported) => 'refused' in reported);
    expect(Object.keys(hub.reported.properties).sort()).toEqual(['desired', 'refused', 'summary']);
    expect(hub.reported.properties.refused).toEqual({
      points: expect.stringMatching(/^points: points has \d+ bytes; there is room for \d+$/),
    });
    expect(log.lines.filter(({ level }) => level === 'warn')).toEqual([
      expect.objectContaining({ section: 'points', reason: expect.stringMatching(/points has \d+ bytes; there is room for \d+/) }),
    ]);
    expect(agent.state().refused).toMatchObject({ points: expect.stringContaining('bytes') });
    agent.report('points', { p1: 1 });
    await hub.until((reported) => 'points' in reported && Object.keys(reported.refused as object).length === 0);
    expect(agent.state().refused).toEqual({});
  });

  test('a refusal ends with the life that it was in', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    {
      await using agent = hastyAgent(folder.path);
      await agent.attach(hub.connect());
      agent.report('a', 1n);
      await hub.until(({ refused }) => refused !== undefined);
    }
    await using agent = hastyAgent(folder.path);
    await agent.attach(hub.connect());
    await hub.until(({ refused }) => refused === undefined);
  });

  test('what had no room goes when there is room', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    await agent.attach(hub.connect());
    agent.report('a', bulky(15_000));
    await hub.until((reported) => 'a' in reported);
    agent.report('b', bulky(15_000));
    agent.report('c', 1);
    await hub.until((reported) => 'c' in reported);
    expect('b' in hub.reported.properties).toBe(false);
    agent.report('a', null);
    await hub.until((reported) => 'b' in reported && !('a' in reported));
  });

  test('a bad key or value is refused with its place; what was there before stays', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    const log = listLog();
    await using agent = hastyAgent(folder.path, { log });
    await agent.attach(hub.connect());
    agent.report('a', { x: 1 });
    await hub.until((reported) => 'a' in reported);
    agent.report(['a', 'b c'], 1);
    agent.report('big', { n: 2n ** 60n });
    const circle: Record<string, unknown> = {};
    circle.circle = circle;
    agent.report('circle', circle);
    agent.report({ merged: circle });
    agent.report('fine', 1);
    await hub.until((reported) => reported.fine === 1);
    await hub.until(({ refused }) => Object.keys((refused ?? {}) as object).length === 4);
    expect(hub.reported.properties).toMatchObject({ a: { x: 1 }, fine: 1, refused: { a: expect.stringContaining('white space') } });
    expect(Object.keys(hub.reported.properties).sort()).toEqual(['a', 'fine', 'refused']);
    expect(log.lines.map(({ path }) => path)).toEqual(expect.arrayContaining(['a.b c', 'big.n']));
    agent.report(['a', 'b c'], null);
    agent.report('a.y', 2);
    await hub.until((reported) => (reported.a as TwinObject).y === 2);
  });

  test('a section that the hub would not have, for reasons of its own, is found and left out until it changes', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    const log = listLog();
    await using agent = hastyAgent(folder.path, { log });
    hub.onReport = (patch) => {
      if (patch.ill === 1) throw new GatewayError('twin-refused', 'not this one', { retry: 'never' });
    };
    agent.report({ first: 1, ill: 1, last: 1 });
    await agent.attach(hub.connect());
    await hub.until((reported) => reported.last === 1 && reported.first === 1);
    agent.report('last', 2);
    await hub.until((reported) => reported.last === 2);
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([
      expect.objectContaining({ section: 'ill', reason: 'not this one' }),
    ]);
    expect(await hub.until(({ refused }) => refused !== undefined)).toMatchObject({ refused: { ill: 'ill: not this one' } });
    agent.report('ill', 2);
    await hub.until((reported) => reported.ill === 2);
    expect(hub.patches.filter(({ patch }) => patch.ill === 1).length).toBeLessThanOrEqual(2);
    await hub.until(({ refused }) => Object.keys(refused as object).length === 0);
  });
});

test('whatever is reported, cut, refused and restarted: in the end the hub has what was said last', { timeout: 60_000 }, async () => {
  const path = fc.array(fc.constantFrom('a', 'b', 'c', '__proto__'), { minLength: 1, maxLength: 3 });
  const value = fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(null), fc.constant('x'), fc.constant({ b: 1 }), fc.constant([1, 2]));
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('report' as const), path, value }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const), lossy: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('timeout' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      using folder = tempFolder();
      const hub = new MemoryHub();
      let timeouts = 0;
      hub.onReport = () => {
        if (timeouts > 0) {
          timeouts--;
          throw new NotConnectedError('hub-timeout', 'no answer', { retry: 'with-backoff' });
        }
      };
      let agent = hastyAgent(folder.path, { patchEveryMs: 1 });
      const said = new Map<string, unknown>();
      const say = (at: readonly string[], what: unknown): void => {
        agent.report(at, what);
        said.set('', setIn(said.get('') ?? {}, at, what));
      };
      for (const one of steps) {
        if (one.do === 'report') say(one.path, one.value);
        if (one.do === 'wait') await new Promise((resolve) => setTimeout(resolve, 3));
        if (one.do === 'timeout') timeouts = 1;
        if (one.do === 'cut') for (const link of hub.links) link.cut();
        if (one.do === 'connect') {
          for (const link of hub.links) link.cut();
          const link = hub.connect();
          link.cutAfterReport = one.lossy;
          void agent.attach(link, link.signal);
        }
        if (one.do === 'restart') {
          await agent[Symbol.asyncDispose]();
          agent = hastyAgent(folder.path, { patchEveryMs: 1 });
        }
      }
      say(['end'], 1);
      const link = hub.connect();
      await agent.attach(link, link.signal);
      await hub.until((reported) => reported.end === 1);
      expect(JSON.parse(JSON.stringify(hub.reported.properties))).toEqual(JSON.parse(JSON.stringify(said.get(''))));
      await agent[Symbol.asyncDispose]();
    }),
    { numRuns: Number(process.env.DRAGOMAN_RUNS ?? 60) },
  );
});

/** The slow way to set a value at a path: rebuilds everything on it. */
function setIn(object: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  const entries = new Map(typeof object === 'object' && object !== null && !Array.isArray(object) ? Object.entries(object) : []);
  if (rest.length === 0) {
    if (value === null) entries.delete(key!);
    else entries.set(key!, value);
    return Object.fromEntries(entries);
  }
  const below = entries.get(key!);
  const isObject = typeof below === 'object' && below !== null && !Array.isArray(below);
  // Removing below something that is not there makes nothing.
  if (value === null && !has(isObject ? below : undefined, rest)) return Object.fromEntries(entries);
  entries.set(key!, setIn(isObject ? below : {}, rest, value));
  return Object.fromEntries(entries);
}

function has(object: unknown, [key, ...rest]: readonly string[]): boolean {
  if (typeof object !== 'object' || object === null || Array.isArray(object) || !Object.hasOwn(object, key!)) return false;
  return rest.length === 0 || has((object as TwinObject)[key!], rest);
}
