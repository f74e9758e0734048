import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { WriteResult } from '../../adapters/contract.ts';
import type { Value } from '../../model/value.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { WriteRequest } from './contract.ts';
import { FakeMachine } from './testcases/fake-machine.ts';
import { WritePath } from './write-path.ts';

let folder: ReturnType<typeof tempFolder>;
let machine: FakeMachine;
let path: WritePath;
let monotonicMs: number;
let keys = 0;

const clock = { monotonicMs: () => monotonicMs, wallMs: () => Date.now() };
const open = (writes: 'on' | 'off' = 'on') => WritePath.open({ data: folder.path, writes, targets: machine, audit: machine.audit, clock });
const ask = (point: string, value: Value, over: Partial<WriteRequest> = {}) =>
  path.write({ equipment: 'cooker-1', point, value, who: 'anna', from: 'method', key: `k${++keys}`, ...over });

beforeEach(async () => {
  folder = tempFolder();
  machine = new FakeMachine();
  monotonicMs = 1_000_000;
  path = await open();
});
afterEach(async () => {
  await path[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

test('a write that every guard lets pass is sent once, read back and audited', async () => {
  expect(await ask('setpoint', 85.5)).toEqual({
    outcome: 'done',
    reason: 'the machine confirmed it and shows it',
    old: 80,
    new: 85.5,
    readBack: 85.5,
  });
  expect(machine.sent).toEqual([['setpoint', 855]]);
  expect(machine.audited).toEqual([
    expect.objectContaining({
      kind: 'write',
      who: 'anna',
      from: 'method',
      target: 'cooker-1/setpoint',
      old: 80,
      new: 85.5,
      outcome: 'done',
    }),
  ]);
});

describe('refused, each with its guard and a sentence', () => {
  test.for<[string, string, Value, Partial<WriteRequest>, string, RegExp]>([
    ['no such machine', 'setpoint', 80, { equipment: 'coker-1' }, 'equipment', /no machine coker-1; did you mean cooker-1\?/],
    ['no such point', 'setpont', 80, {}, 'point', /no point cooker-1\/setpont; did you mean setpoint\?/],
    ['a point without write', 'jacket', 80, {}, 'not-allowed', /may not be written: its mapping has no write:/],
    ['a value between two steps', 'free', 1.23, {}, 'value', /1\.23 cannot be held exactly; the nearest are 1\.2 and 1\.3/],
    ['a value beyond the type', 'free', 4000, {}, 'value', /int16 holds -3276\.8 to 3276\.7 here/],
    ['a word that is none', 'mode', 'atuo', {}, 'value', /not one of its words; did you mean auto\?/],
    ['a text for a number', 'free', '12', {}, 'value', /"12" is not a number/],
    ['below min', 'setpoint', 39.9, {}, 'range', /39\.9 is below min, 40/],
    ['above max', 'setpoint', 120.1, {}, 'range', /120\.1 is above max, 120/],
    ['too large a step', 'setpoint', 90.1, {}, 'step', /from 80 to 90\.1 is a step of 10\.1; maxStep allows 10/],
    ['too late by its own time', 'free', 1, { expiresMs: 0 }, 'expired', /too late/],
    ['too late by its deadline', 'free', 1, { deadline: Date.now() - 5_000 }, 'expired', /too late, by 5\d\d\d ms/],
    ['too late by the mapping', 'setpoint', 81, { askedMs: Date.now() - 31_000 }, 'expired', /too late, by 1\d\d\d ms/],
    ['a time that is none', 'free', 1, { askedMs: Number.NaN }, 'request', /askedMs/],
    ['from nowhere', 'free', 1, { from: 'moon' as never }, 'request', /none of desired, method/],
    ['a priority that is none', 'free', 1, { priority: 'high' as never }, 'request', /none of urgent, normal, low/],
    ['no key', 'free', 1, { key: '' }, 'request', /key/],
    ['nobody', 'free', 1, { who: '' }, 'request', /who/],
    ['no value', 'free', { a: 1 } as unknown as Value, {}, 'request', /the value must be/],
  ])('%s', async ([, point, value, over, guard, reason]) => {
    expect(await ask(point, value, over)).toMatchObject({ outcome: 'refused', guard, reason: expect.stringMatching(reason) });
    expect(machine.sent).toEqual([]);
    expect(machine.audited).toHaveLength(1);
    expect(machine.audited[0]).toMatchObject({ outcome: 'refused', details: { guard } });
  });

  test('the interlock does not hold', async () => {
    machine.show('state', 'stopped');
    expect(await ask('setpoint', 85)).toMatchObject({
      guard: 'interlock',
      reason: 'onlyWhen state == "running" and jacket < 130 does not hold: state is stopped, jacket is 93.2',
    });
  });

  test.for<[string, () => void, RegExp]>([
    ['a bad reading', () => machine.show('jacket', undefined), /jacket has no good value \(no answer within 1 s\)/],
    [
      'an uncertain one',
      () => machine.show('jacket', 20, { quality: 'uncertain', status: 'UncertainSubNormal' }),
      /jacket has no good value \(UncertainSubNormal\)/,
    ],
    ['none yet', () => machine.readings.delete('state'), /state has no good value \(it was not read yet\)/],
  ])('the interlock cannot be decided: %s', async ([, arrange, reason]) => {
    arrange();
    expect(await ask('setpoint', 85)).toMatchObject({ outcome: 'refused', guard: 'interlock', reason: expect.stringMatching(reason) });
  });

  test('the present value is not known, so no step can be judged', async () => {
    machine.show('setpoint', undefined);
    expect(await ask('setpoint', 80)).toMatchObject({ guard: 'step', reason: expect.stringMatching(/not known \(no answer within 1 s\)/) });
  });

  test('two steps within one polling interval are not one large one', async () => {
    machine.show('steps', 50, { receivedMs: Date.now() - 900 });
    expect(await ask('steps', 60)).toMatchObject({ outcome: 'done' });
    // The reading still says 50, the machine holds 60.
    expect(await ask('steps', 45)).toMatchObject({ guard: 'step', reason: 'steps: from 60 to 45 is a step of 15; maxStep allows 10' });
    expect(await ask('steps', 55)).toMatchObject({ outcome: 'done' });
    machine.show('steps', 55, { receivedMs: Date.now() + 1 });
    expect(await ask('steps', 65)).toMatchObject({ outcome: 'done' });
  });

  test('a machine that never confirms what it ignored does not block the next one for ever', async () => {
    machine.show('steps', 50, { receivedMs: Date.now() - 900 });
    await ask('steps', 60);
    expect(await ask('steps', 45)).toMatchObject({ guard: 'step' });
    monotonicMs += 3_000;
    expect(await ask('steps', 45)).toMatchObject({ outcome: 'done' });
  });

  test('too soon after the last write; the clock of the wall has no say', async () => {
    await ask('setpoint', 85);
    monotonicMs += 4_900;
    machine.show('setpoint', 85);
    expect(await ask('setpoint', 86)).toMatchObject({
      guard: 'rate',
      reason: expect.stringMatching(/was written 4900 ms ago, and one write every 5s is allowed; in 100ms/),
    });
    monotonicMs += 100;
    expect(await ask('setpoint', 86)).toMatchObject({ outcome: 'done' });
  });

  test('what the machine refuses is told with its words, and is not a step', async () => {
    machine.behave = async () => ({ outcome: 'refused', reason: 'exception 3' });
    expect(await ask('steps', 60)).toMatchObject({ outcome: 'refused', guard: 'machine', reason: 'exception 3' });
    machine.behave = undefined;
    expect(await ask('steps', 40)).toMatchObject({ outcome: 'done' });
  });

  test('after stopping', async () => {
    const late = path;
    await Promise.all([path[Symbol.asyncDispose](), path[Symbol.asyncDispose]()]);
    expect(await late.write({ equipment: 'cooker-1', point: 'free', value: 1, who: 'a', from: 'method', key: 'late' })).toMatchObject({
      guard: 'shutdown',
    });
    path = await open();
  });
});

test('a machine that is away: failed, nothing written, and it counts neither as step nor for the rate', async () => {
  machine.connected = false;
  expect(await ask('setpoint', 85)).toMatchObject({
    outcome: 'failed',
    guard: 'connection',
    reason: 'nothing was written: cooker-1 is not connected',
  });
  machine.connected = true;
  expect(await ask('setpoint', 85)).toMatchObject({ outcome: 'done' });
});

describe('read-back', () => {
  test('within the deadband is what was written', async () => {
    machine.behave = async (point, raw) => {
      machine.cells.set(point, Number(raw) + 2);
      return { outcome: 'done' };
    };
    expect(await ask('shown', 10)).toMatchObject({ outcome: 'done', readBack: 12 });
  });

  test('a machine that shows it a moment later', async () => {
    machine.cells.set('shown', 0);
    machine.behave = async (point, raw) => {
      setTimeout(() => machine.cells.set(point, raw), 30);
      return { outcome: 'done' };
    };
    expect(await ask('shown', 10)).toMatchObject({ outcome: 'done', readBack: 10 });
  });

  test('a machine that confirms and ignores', async () => {
    machine.cells.set('shown', 3);
    machine.behave = async () => ({ outcome: 'done' });
    expect(await ask('shown', 10)).toMatchObject({
      outcome: 'failed',
      guard: 'read-back',
      reason: 'the machine confirmed it, but still shows 3',
      readBack: 3,
    });
  });

  test('a machine that confirms and cannot be read', async () => {
    machine.behave = async () => ({ outcome: 'done' });
    expect(await ask('shown', 10)).toMatchObject({
      outcome: 'unknown',
      guard: 'read-back',
      reason: expect.stringMatching(/could not be read back/),
    });
  });
});

describe('no answer', () => {
  const noAnswer = async (): Promise<WriteResult> => ({ outcome: 'unknown', reason: 'no answer within 1 s' });

  test('is unknown, says what is there, and is never sent again', async () => {
    machine.cells.set('free', 5);
    machine.behave = noAnswer;
    expect(await ask('free', 1)).toMatchObject({
      outcome: 'unknown',
      reason: 'no answer within 1 s; the machine shows 0.5, and may still take it',
      readBack: 0.5,
    });
    expect(machine.sent).toHaveLength(1);
  });

  test('but the machine shows the value: it is done', async () => {
    machine.behave = async (point, raw) => {
      machine.cells.set(point, raw);
      return noAnswer();
    };
    expect(await ask('free', 1)).toMatchObject({
      outcome: 'done',
      reason: 'no answer within 1 s; but the machine shows the value',
      readBack: 1,
    });
  });

  test('nor can it be read: unknown, and no step is judged from one value alone', async () => {
    machine.show('steps', 50, { receivedMs: Date.now() - 900 });
    machine.behave = noAnswer;
    expect(await ask('steps', 60)).toMatchObject({
      outcome: 'unknown',
      reason: expect.stringMatching(/could not be read back: the machine gave no value/),
    });
    machine.behave = undefined;
    expect(await ask('steps', 65)).toMatchObject({ guard: 'step', reason: expect.stringMatching(/from 50 to 65/) });
    expect(await ask('steps', 45)).toMatchObject({ guard: 'step', reason: expect.stringMatching(/from 60 to 45/) });
  }, 10_000);

  test('an adapter that throws something else may have sent it', async () => {
    machine.cells.set('free', 5);
    machine.behave = async () => {
      throw new TypeError('a defect');
    };
    expect(await ask('free', 1)).toMatchObject({ outcome: 'unknown', reason: expect.stringMatching(/a defect/) });
  });
});

describe('one key, one write', () => {
  test('asked again: the same answer, nothing sent', async () => {
    const first = await ask('free', 1, { key: 'a' });
    expect(await ask('free', 1, { key: 'a' })).toEqual({ ...first, repeated: true });
    expect(machine.sent).toHaveLength(1);
  });

  test('asked again while it runs', async () => {
    const release = Promise.withResolvers<WriteResult>();
    machine.behave = () => release.promise;
    const both = Promise.all([ask('free', 1, { key: 'a' }), ask('free', 1, { key: 'a' })]);
    await expect.poll(() => machine.sent.length).toBe(1);
    release.resolve({ outcome: 'done' });
    expect(await both).toEqual([
      { outcome: 'done', reason: 'the machine confirmed it', new: 1 },
      { outcome: 'done', reason: 'the machine confirmed it', new: 1, repeated: true },
    ]);
    expect(machine.sent).toHaveLength(1);
  });

  test('a refusal stays one, though the machine would take it now', async () => {
    machine.show('state', 'stopped');
    await ask('setpoint', 85, { key: 'a' });
    machine.show('state', 'running');
    expect(await ask('setpoint', 85, { key: 'a' })).toMatchObject({ outcome: 'refused', guard: 'interlock', repeated: true });
  });

  test('for another value it is refused, and the first answer stands', async () => {
    await ask('free', 1, { key: 'a' });
    expect(await ask('free', 2, { key: 'a' })).toMatchObject({ outcome: 'refused', guard: 'key' });
    expect(await ask('free', 1, { key: 'a' })).toMatchObject({ outcome: 'done', repeated: true });
  });

  test('over a restart, every digit of the value', async () => {
    await ask('batch', 18_446_744_073_709_551_615n, { key: 'a' });
    await path[Symbol.asyncDispose]();
    path = await open();
    expect(await ask('batch', '18446744073709551615', { key: 'a' })).toMatchObject({ outcome: 'done', repeated: true });
    expect(await ask('batch', '18446744073709551614', { key: 'a' })).toMatchObject({ guard: 'key' });
    expect(machine.sent).toHaveLength(1);
  });

  test('the rate counts over a restart', async () => {
    await ask('setpoint', 85);
    await path[Symbol.asyncDispose]();
    path = await open();
    expect(await ask('setpoint', 86)).toMatchObject({ guard: 'rate' });
  });
});

test('a dry run asks all guards, sends nothing and takes no key', async () => {
  expect(await ask('setpoint', 85, { key: 'a', dryRun: true })).toEqual({
    outcome: 'done',
    reason: 'every guard lets it pass; nothing was sent',
    old: 80,
    new: 85,
    dryRun: true,
  });
  expect(await ask('setpoint', 95, { dryRun: true })).toMatchObject({ outcome: 'refused', guard: 'step', dryRun: true });
  expect(machine.sent).toEqual([]);
  expect(await ask('setpoint', 85, { key: 'a' })).toMatchObject({ outcome: 'done' });
});

describe('the master switch', () => {
  test('off by method: refused, audited, over a restart, and on again', async () => {
    await path.switchWrites('off', 'anna', 'method', 'maintenance');
    expect(await ask('free', 1)).toMatchObject({ outcome: 'refused', guard: 'writes-off' });
    await path[Symbol.asyncDispose]();
    path = await open();
    expect(await ask('free', 1)).toMatchObject({ guard: 'writes-off' });
    expect(await path.switch.note()).toMatch(/Z anna: maintenance$/);
    await path.switchWrites('on', 'anna', 'method');
    expect(await ask('free', 1)).toMatchObject({ outcome: 'done' });
    expect(machine.audited.filter(({ kind }) => kind === 'writes')).toMatchObject([
      { action: 'writes off', old: 'on', new: 'off', outcome: 'done', reason: 'maintenance' },
      { action: 'writes on', old: 'off' },
    ]);
  });

  test('off by hand, at the box', async () => {
    writeFileSync(join(folder.path, 'writes-off'), '');
    expect(await ask('free', 1)).toMatchObject({ guard: 'writes-off', reason: expect.stringMatching(/writes-off is there/) });
  });

  test('off in the configuration: no command overrules it', async () => {
    await path[Symbol.asyncDispose]();
    path = await open('off');
    await expect(path.switchWrites('on', 'anna', 'method')).rejects.toMatchObject({ code: 'writes-configured-off' });
    expect(await ask('free', 1)).toMatchObject({ guard: 'writes-off', reason: expect.stringMatching(/configuration/) });
  });

  test('off while a write waits for its turn', async () => {
    const release = Promise.withResolvers<WriteResult>();
    machine.behave = () => release.promise;
    const first = ask('free', 1);
    const second = ask('free', 2);
    await expect.poll(() => machine.sent.length).toBe(1);
    await path.switchWrites('off', 'anna', 'method');
    release.resolve({ outcome: 'done' });
    expect([await first, await second]).toMatchObject([{ outcome: 'done' }, { guard: 'writes-off' }]);
  });
});

test('a defect before anything was sent is told, and the next write goes on', async () => {
  const { readings } = machine;
  const get = readings.get.bind(readings);
  readings.get = (point) => {
    if (point === 'steps') throw new TypeError('oops');
    return get(point);
  };
  expect(await ask('steps', 55, { key: 'a' })).toMatchObject({ outcome: 'failed', reason: 'a defect in the gateway: oops' });
  expect(await ask('free', 1)).toMatchObject({ outcome: 'done' });
});

test('writes of one machine go one after the other, the urgent first', async () => {
  const order: number[] = [];
  let running = 0;
  machine.behave = async (_point, raw) => {
    expect(++running).toBe(1);
    order.push(Number(raw) / 10);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running--;
    return { outcome: 'done' };
  };
  await Promise.all([
    ask('free', 1),
    ask('free', 2, { priority: 'low' }),
    ask('free', 3),
    ask('free', 4, { from: 'rule' }),
    ask('free', 5),
  ]);
  expect(order).toEqual([1, 4, 3, 5, 2]);
});

test('what waits too long for its turn is not done any more', async () => {
  const release = Promise.withResolvers<WriteResult>();
  machine.behave = () => release.promise;
  const first = ask('free', 1);
  const second = ask('free', 2, { expiresMs: 100 });
  await expect.poll(() => machine.sent.length).toBe(1);
  monotonicMs += 100;
  release.resolve({ outcome: 'done' });
  expect([await first, await second]).toMatchObject([{ outcome: 'done' }, { outcome: 'refused', guard: 'expired' }]);
});

test('a flood for one machine is bounded', async () => {
  const release = Promise.withResolvers<WriteResult>();
  machine.behave = () => release.promise;
  const asked = Array.from({ length: 120 }, (_, i) => ask('free', i / 10));
  release.resolve({ outcome: 'done' });
  const reports = await Promise.all(asked);
  expect(reports.filter(({ guard }) => guard === 'queue').length).toBeGreaterThanOrEqual(18);
  expect(reports.filter(({ outcome }) => outcome === 'done').length).toBe(machine.sent.length);
});

test('what cannot be audited is not done', async () => {
  machine.auditFails = true;
  expect(await ask('free', 1)).toMatchObject({ outcome: 'done' });
  expect(await ask('free', 2)).toMatchObject({ outcome: 'refused', guard: 'audit', reason: expect.stringMatching(/disk full/) });
  machine.auditFails = false;
  await ask('free', 3);
  expect(await ask('free', 4)).toMatchObject({ outcome: 'done' });
});

test('an answer that does not come while the gateway stops: what was sent is waited for, what waits is refused', async () => {
  const release = Promise.withResolvers<WriteResult>();
  machine.behave = () => release.promise;
  const first = ask('free', 1);
  const second = ask('free', 2);
  await expect.poll(() => machine.sent.length).toBe(1);
  const stopping = path[Symbol.asyncDispose]();
  release.resolve({ outcome: 'done' });
  await stopping;
  expect([await first, await second]).toMatchObject([{ outcome: 'done' }, { guard: 'shutdown' }]);
  path = await open();
});

test('one process a data folder', async () => {
  await expect(open()).rejects.toMatchObject({ code: 'outbox-in-use' });
});
