import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from './turns.ts';

test('a queue is held while another has something better that can go, and goes on when it has no more', async () => {
  const turns = new Turns();
  const [alarms, logs] = [{}, {}];
  turns.claim(alarms, 0);
  expect([turns.admits(logs, 0), turns.admits(logs, 5), turns.admits(alarms, 5)]).toEqual([true, false, true]);
  let went = 0;
  turns.claim(logs, 5);
  turns.onceAdmitted(logs, 5, () => went++);
  turns.claim(alarms, 3);
  await turn();
  expect(went).toBe(0);
  turns.claim(alarms, 5);
  turns.claim(alarms, undefined);
  await turn();
  expect([went, turns.admits(logs, 9)]).toEqual([1, true]);
});

test('of those that are held the better one goes first, and the other stays held by it', async () => {
  const turns = new Turns();
  const [best, middle, last] = [{}, {}, {}];
  const gone: string[] = [];
  turns.claim(best, 0);
  for (const [name, queue, priority] of [['last', last, 9] as const, ['middle', middle, 5] as const]) {
    turns.claim(queue, priority);
    turns.onceAdmitted(queue, priority, () => gone.push(name));
  }
  turns.claim(best, undefined);
  await turn();
  expect(gone).toEqual(['middle']);
  turns.claim(middle, undefined);
  await turn();
  expect(gone).toEqual(['middle', 'last']);
});
