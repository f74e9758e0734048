import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { identityOf, openBox } from './testing/box.ts';

test('who is connected is told when it changes, with the time of the change, and not otherwise', async () => {
  await using box = await openBox();
  const told: unknown[] = [];
  box.broker.onClients(() => told.push(Object.fromEntries(box.broker.clients().map((client) => [client.moduleId, client.connected]))));
  const beforeMs = Date.now();
  {
    await using filter = await box.module('filter');
    await expect.poll(() => told.at(-1)).toEqual({ filter: true });
    const times = told.length;
    await filter.telemetry('nothing new about who is here');
    await filter.subscribe('$iothub/methods/POST/#', 0);
    expect(told.length).toBe(times);
    expect(box.broker.clients()[0]?.sinceMs).toBeGreaterThanOrEqual(beforeMs);
  }
  const leftMs = Date.now();
  await expect.poll(() => told.at(-1)).toEqual({ filter: false });
  // The file has it a second later; what is told is right at once.
  expect(Math.abs((box.broker.clients()[0]?.sinceMs ?? 0) - leftMs)).toBeLessThan(500);
});

test('whether a module listens for methods is told when it begins to, ends to, or leaves', async () => {
  await using box = await openBox();
  const told: unknown[] = [];
  box.broker.onMethods((module) => told.push([module, box.broker.takesMethods(module)]));
  {
    await using filter = await box.module('filter');
    expect(box.broker.takesMethods('filter')).toBe(false);
    await filter.subscribe('$iothub/methods/POST/#', 0);
    expect(told).toEqual([['filter', true]]);
    filter.send({ cmd: 'unsubscribe', messageId: 7, unsubscriptions: ['$iothub/methods/POST/#'] });
    await filter.next('unsuback');
    await expect
      .poll(() => told)
      .toEqual([
        ['filter', true],
        ['filter', false],
      ]);
    await filter.subscribe('$iothub/methods/POST/#', 0);
  }
  await expect
    .poll(() => told.slice(2))
    .toEqual([
      ['filter', true],
      ['filter', false],
    ]);
  // Its session has the subscription: it listens as soon as it is here.
  await using _again = await box.module('filter');
  await expect.poll(() => told.at(-1)).toEqual(['filter', true]);
});

test('many at once are told once; one whose identity is gone is on the list no more', async () => {
  await using box = await openBox();
  await Promise.all(['a', 'b', 'c'].map((module) => box.broker.setDesired(module, {}, 1)));
  await sleep(0);
  let told = 0;
  box.broker.onClients(() => told++);
  for (const module of ['a', 'b']) box.identities.set(module, undefined);
  box.broker.identitiesChanged();
  expect(told).toBe(0);
  await expect.poll(() => told).toBe(1);
  expect(box.broker.clients().map(({ moduleId }) => moduleId)).toEqual(['c']);
  box.identities.set('a', identityOf('a', 'g2'));
  await box.broker.setDesired('a', {}, 1);
  await expect.poll(() => box.broker.clients().length).toBe(2);
  await expect.poll(() => told).toBe(2);
});
