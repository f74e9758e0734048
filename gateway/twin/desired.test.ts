import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { MemoryHub } from './testing/memory-hub.ts';
import { hastyAgent, listLog, recorder } from './testing/support.ts';

/** The answers at the hub. */
const answers = (hub: MemoryHub): unknown => hub.reported.properties.desired;
const answered = (hub: MemoryHub, section: string, version: number): Promise<unknown> =>
  hub.until((reported) => (reported.desired as Record<string, { version: number }> | undefined)?.[section]?.version === version);

test('what is desired at connect reaches the applier of its section and is answered', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  hub.patchDesired({ mappings: { press: 'v1' } });
  await using agent = hastyAgent(folder.path);
  const mappings = recorder(() => ({ status: 'applied', message: '2 points changed' }));
  agent.section('mappings', mappings);
  await agent.attach(hub.connect());
  await answered(hub, 'mappings', 2);
  expect(mappings.calls).toEqual([{ value: { press: 'v1' }, previous: undefined, version: 2 }]);
  expect(answers(hub)).toEqual({ mappings: { version: 2, status: 'applied', message: '2 points changed' } });
});

test('a change names the section alone, with what was applied before', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  hub.patchDesired({ a: { x: 1, y: 2 }, b: 1 });
  await using agent = hastyAgent(folder.path);
  const [a, b] = [recorder(), recorder()];
  agent.section('a', a);
  agent.section('b', b);
  await agent.attach(hub.connect());
  await answered(hub, 'b', 2);
  hub.patchDesired({ a: { x: null } });
  await answered(hub, 'a', 3);
  expect(a.calls.at(-1)).toEqual({ value: { y: 2 }, previous: { x: 1, y: 2 }, version: 3 });
  expect(b.calls).toHaveLength(1);
  expect(answers(hub)).toEqual({ a: { version: 3, status: 'applied', message: '' }, b: { version: 2, status: 'applied', message: '' } });
});

test('a section that is removed, also by a full replace, is given as undefined', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  hub.patchDesired({ a: { x: 1 }, b: 1 });
  await using agent = hastyAgent(folder.path);
  const [a, b] = [recorder(), recorder()];
  agent.section('a', a);
  agent.section('b', b);
  await agent.attach(hub.connect());
  await answered(hub, 'b', 2);
  hub.replaceDesired({ b: 2 });
  await answered(hub, 'b', 3);
  expect(a.calls.at(-1)).toEqual({ value: undefined, previous: { x: 1 }, version: 3 });
  hub.patchDesired({ b: null });
  await answered(hub, 'b', 4);
  expect(b.calls.at(-1)).toEqual({ value: undefined, previous: 2, version: 4 });
});

test('never two at once, in the order of versions, and the newest of those that wait', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  await using agent = hastyAgent(folder.path);
  const order: string[] = [];
  let running = 0;
  let release = (): void => {};
  const blocked = new Promise<void>((resolve) => {
    release = resolve;
  });
  for (const section of ['a', 'b', 'c']) {
    agent.section(section, async (value, _previous, version) => {
      expect(++running).toBe(1);
      order.push(`${section}=${value}@${version}`);
      await blocked;
      running--;
      return { status: 'applied' };
    });
  }
  await agent.attach(hub.connect());
  hub.patchDesired({ a: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  hub.patchDesired({ b: 1 });
  hub.patchDesired({ c: 1 });
  hub.patchDesired({ b: 2 });
  hub.patchDesired({ a: 2 });
  hub.patchDesired({ a: 3 });
  release();
  await answered(hub, 'a', 7);
  expect(order).toEqual(['a=1@2', 'c=1@4', 'b=2@5', 'a=3@7']);
});

test('a section that is back to what it was, while the change is being applied over a link that is gone, is applied once more', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  hub.patchDesired({ a: 'old' });
  await using agent = hastyAgent(folder.path);
  let release = (): void => {};
  const a = recorder(async ({ value }) => {
    if (value === 'new') {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
    }
    return { status: 'applied' };
  });
  agent.section('a', a);
  const link = hub.connect();
  await agent.attach(link, link.signal);
  await answered(hub, 'a', 2);
  hub.patchDesired({ a: 'new' });
  await expect.poll(() => a.calls.length, { interval: 2 }).toBe(2);
  link.cut();
  hub.patchDesired({ a: 'old' });
  await agent.attach(hub.connect());
  release();
  await answered(hub, 'a', 4);
  expect(a.calls.map(({ value }) => value)).toEqual(['old', 'new', 'old']);
});

test('a lane of its own does not wait for the others', async () => {
  using folder = tempFolder();
  const hub = new MemoryHub();
  await using agent = hastyAgent(folder.path);
  agent.section(
    'download',
    (_v, _p, _n, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ status: 'failed' }))),
  );
  agent.section('writes', recorder(), { lane: 'writes' });
  hub.patchDesired({ download: 1, writes: 'off' });
  await agent.attach(hub.connect());
  await answered(hub, 'writes', 2);
});

describe('an answer', () => {
  test('says refused and failed, and what ran before is the previous value still', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    const applier = recorder(({ value }) => {
      if (value === 'bad') return { status: 'refused', message: 'not a mapping' };
      if (value === 'crash') throw new Error('no such file');
      return { status: 'applied' };
    });
    agent.section('a', applier);
    await agent.attach(hub.connect());
    for (const [index, value] of ['good', 'bad', 'crash', 'fine'].entries()) {
      hub.patchDesired({ a: value });
      await answered(hub, 'a', index + 2);
      if (value === 'bad') expect(answers(hub)).toEqual({ a: { version: 3, status: 'refused', message: 'not a mapping' } });
      if (value === 'crash') expect(answers(hub)).toEqual({ a: { version: 4, status: 'failed', message: 'no such file' } });
    }
    expect(applier.calls.map(({ previous }) => previous)).toEqual([undefined, 'good', 'good', 'good']);
  });

  test('of a section that nothing here takes names those that are', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired({ maping: {} });
    await using agent = hastyAgent(folder.path);
    agent.section('mappings', recorder());
    await agent.attach(hub.connect());
    await answered(hub, 'maping', 2);
    expect(answers(hub)).toEqual({
      maping: { version: 2, status: 'refused', message: 'nothing here takes this section; there is mappings' },
    });
    hub.patchDesired({ maping: null });
    await hub.until((reported) => Object.keys(reported.desired ?? {}).length === 0);
  });

  test('is given to a few unknown sections only, and goes with them, also after a restart', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired(Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`s${index}`, index])));
    {
      await using agent = hastyAgent(folder.path);
      await agent.attach(hub.connect());
      await hub.until((reported) => Object.keys(reported.desired ?? {}).length === 16);
    }
    hub.replaceDesired({});
    await using agent = hastyAgent(folder.path);
    await agent.attach(hub.connect());
    await hub.until((reported) => Object.keys(reported.desired ?? {}).length === 0);
  });

  test('to as many sections as there may be has its room, however much else is reported', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    for (let n = 0; n < 30; n++) agent.report(`s${n}`, 'x'.repeat(1_000));
    const names = Array.from({ length: 8 }, (_, n) => `section${n}`);
    for (const name of names)
      agent.section(
        name,
        recorder(() => ({ status: 'refused', message: '€'.repeat(1_000) })),
      );
    const strange = Array.from({ length: 100 }, (_, n) => [`${'x'.repeat(n)}${n}`, n] as const);
    hub.patchDesired(Object.fromEntries([...strange, ...names.map((name) => [name, 1] as const)]));
    await agent.attach(hub.connect());
    await hub.until(({ desired }) => names.every((name) => Object.hasOwn((desired ?? {}) as object, name)));
  });

  test('is short, whatever the applier says', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired({ a: 1 });
    await using agent = hastyAgent(folder.path);
    agent.section(
      'a',
      recorder(() => ({ status: 'refused', message: '😀'.repeat(10_000) })),
    );
    await agent.attach(hub.connect());
    await answered(hub, 'a', 2);
    expect(Buffer.byteLength(JSON.stringify(answers(hub)))).toBeLessThan(700);
    expect(JSON.stringify(answers(hub))).toContain('😀…');
  });

  test('to the same value sent again is given without applying again, unless it was not applied', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    const good = recorder();
    const ill = recorder(() => ({ status: 'failed', message: 'no network' }));
    agent.section('good', good);
    agent.section('ill', ill);
    await agent.attach(hub.connect());
    hub.patchDesired({ good: 1, ill: 1 });
    await answered(hub, 'ill', 2);
    hub.patchDesired({ good: 1, ill: 1 });
    await answered(hub, 'ill', 3);
    expect([good.calls.length, ill.calls.length]).toEqual([1, 2]);
    expect(answers(hub)).toMatchObject({ good: { version: 3, status: 'applied' } });
  });
});

describe('over links and restarts', () => {
  test('what was answered is not given again; what changed meanwhile is', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired({ a: 1, b: 1 });
    const [a, b] = [recorder(), recorder()];
    {
      await using agent = hastyAgent(folder.path);
      agent.section('a', a);
      agent.section('b', b);
      const link = hub.connect();
      await agent.attach(link, link.signal);
      await answered(hub, 'b', 2);
      link.cut();
      hub.patchDesired({ a: 2 });
      await agent.attach(hub.connect());
      await answered(hub, 'a', 3);
    }
    await using agent = hastyAgent(folder.path);
    agent.section('a', a);
    agent.section('b', b);
    await agent.attach(hub.connect());
    hub.patchDesired({ b: 3 });
    await answered(hub, 'b', 4);
    expect(a.calls.map(({ value }) => value)).toEqual([1, 2]);
    expect(b.calls.map(({ value }) => value)).toEqual([1, 3]);
  });

  test('a start without a link has everything that is known', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired({ a: { x: 1 }, late: 5 });
    {
      await using agent = hastyAgent(folder.path);
      agent.section('a', recorder());
      await agent.attach(hub.connect());
      await answered(hub, 'a', 2);
    }
    await using agent = hastyAgent(folder.path);
    expect(agent.desired()).toEqual({ a: { x: 1 }, late: 5 });
    expect(agent.state()).toMatchObject({ connected: false, desiredVersion: 2, answers: { a: { version: 2, status: 'applied' } } });
    // Not answered yet, so it is given though nobody is there to hear the answer.
    const late = recorder();
    agent.section('late', late);
    await expect.poll(() => late.calls.length, { interval: 5 }).toBe(1);
  });

  test('what lives in memory gets, at each start, what was applied; not what was refused after it', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    const level = recorder(({ value }) => (value === 'loud' ? { status: 'refused', message: 'no such level' } : { status: 'applied' }));
    {
      await using agent = hastyAgent(folder.path);
      agent.section('level', level, { atEachStart: true });
      await agent.attach(hub.connect());
      hub.patchDesired({ level: 'debug' });
      await answered(hub, 'level', 2);
      hub.patchDesired({ level: 'loud' });
      await answered(hub, 'level', 3);
    }
    await using agent = hastyAgent(folder.path);
    agent.section('level', level, { atEachStart: true });
    await agent.attach(hub.connect());
    hub.patchDesired({ level: 'info' });
    await answered(hub, 'level', 4);
    expect(level.calls.map(({ value }) => value)).toEqual(['debug', 'loud', 'debug', 'info']);
  });

  test('a device that was made anew at the hub, with older versions, is followed', async () => {
    using folder = tempFolder();
    const old = new MemoryHub();
    for (let n = 0; n < 5; n++) old.patchDesired({ a: n });
    const log = listLog();
    await using agent = hastyAgent(folder.path, { log });
    const a = recorder();
    agent.section('a', a);
    await agent.attach(old.connect());
    await answered(old, 'a', 6);
    const fresh = new MemoryHub();
    fresh.patchDesired({ a: 'new' });
    await agent.attach(fresh.connect());
    await answered(fresh, 'a', 2);
    expect(a.calls.at(-1)).toEqual({ value: 'new', previous: 4, version: 2 });
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'warn', known: 6, version: 2 }));
  });

  test('a file that cannot be understood is set aside, and the hub is asked', async () => {
    for (const text of [
      '',
      '{"format":1',
      'null',
      '[]',
      '{"format":2}',
      '{"format":1,"answered":{},"reported":{"acknowledged":[],"wanted":{}}}',
    ]) {
      using folder = tempFolder();
      writeFileSync(join(folder.path, 'twin.json'), text);
      const log = listLog();
      const hub = new MemoryHub();
      hub.patchDesired({ a: 1 });
      await using agent = hastyAgent(folder.path, { log });
      expect(log.lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
        'warn: the saved twin cannot be read; starting without it, the hub will be asked',
      ]);
      agent.section('a', recorder());
      await agent.attach(hub.connect());
      await answered(hub, 'a', 2);
    }
  });
});

describe('notices that cannot be taken as they are', () => {
  test('stale versions are ignored', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired({ a: 1 });
    await using agent = hastyAgent(folder.path);
    const a = recorder();
    agent.section('a', a);
    const link = hub.connect();
    await agent.attach(link);
    await answered(hub, 'a', 2);
    link.notice({ a: 'old', $version: 2 });
    link.notice({ a: 'older', $version: 1 });
    hub.patchDesired({ a: 3 });
    await answered(hub, 'a', 3);
    expect(a.calls.map(({ value }) => value)).toEqual([1, 3]);
    expect(link.twins).toBe(1);
  });

  test('after a gap of versions the whole is fetched', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    const [a, b] = [recorder(), recorder()];
    agent.section('a', a);
    agent.section('b', b);
    const link = hub.connect();
    await agent.attach(link);
    hub.links.delete(link);
    hub.patchDesired({ a: 1 });
    hub.links.add(link);
    hub.patchDesired({ b: 1 });
    await answered(hub, 'b', 3);
    await answered(hub, 'a', 3);
    expect([a.calls.length, b.calls.length, link.twins]).toEqual([1, 1, 2]);
  });

  test('a notice that comes while the whole is fetched is not lost and not taken twice', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    hub.patchDesired({ a: 1 });
    await using agent = hastyAgent(folder.path);
    const a = recorder();
    agent.section('a', a);
    const attached = agent.attach(hub.connect());
    hub.patchDesired({ a: 2 });
    await attached;
    await answered(hub, 'a', 3);
    expect(a.calls).toEqual([{ value: 2, previous: undefined, version: 3 }]);
  });

  test('what no twin may hold is refused with its place, and the other sections go on', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    const [a, b] = [recorder(), recorder()];
    agent.section('a', a);
    agent.section('b', b);
    await agent.attach(hub.connect());
    const deep = JSON.parse(`${'{"x":'.repeat(300)}1${'}'.repeat(300)}`);
    hub.patchDesired({ a: { list: [1, null] }, b: 1 });
    await answered(hub, 'b', 2);
    expect(answers(hub)).toMatchObject({ a: { version: 2, status: 'refused', message: expect.stringContaining('a.list[1]: null') } });
    hub.patchDesired({ a: { list: null, deep, keep: 1 }, 'b c': 1 });
    await answered(hub, 'a', 3);
    expect(answers(hub)).toMatchObject({ a: { status: 'refused', message: expect.stringContaining('more than 10 levels') } });
    expect(a.calls).toEqual([]);
    // What is left at the hub, garbage gone, is what counts; not what was merged here.
    hub.patchDesired({ a: { deep: null } });
    await answered(hub, 'a', 4);
    expect(a.calls).toEqual([{ value: { keep: 1 }, previous: undefined, version: 4 }]);
    expect(b.calls).toHaveLength(1);
  });

  test('a notice nested without end ends nothing', async () => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    agent.section('a', recorder());
    const link = hub.connect();
    await agent.attach(link);
    link.notice(JSON.parse(`{"$version":2,"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`));
    await answered(hub, 'a', 2);
    expect(answers(hub)).toMatchObject({ a: { status: 'refused' } });
  });

  test.for([
    [undefined],
    [null],
    [7],
    ['x'],
    [[]],
    [{}],
    [{ a: 1 }],
    [{ $version: '3' }],
    [{ $version: -1 }],
    [{ $version: Number.NaN, a: 2 }],
  ])('%j is no notice: the whole is fetched', async ([garbage]) => {
    using folder = tempFolder();
    const hub = new MemoryHub();
    await using agent = hastyAgent(folder.path);
    const a = recorder();
    agent.section('a', a);
    const link = hub.connect();
    await agent.attach(link);
    link.notice(garbage);
    hub.patchDesired({ a: 'good' });
    await answered(hub, 'a', 2);
    expect(a.calls).toHaveLength(1);
  });
});
