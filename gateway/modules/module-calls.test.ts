import { describe, expect, test } from 'vitest';
import type { MethodAnswer, MethodRequest } from '../../hub/core/contract.ts';
import { RequestError } from '../../hub/core/request-error.ts';
import { openBox } from './broker/testing/box.ts';
import { ModuleCalls } from './module-calls.ts';

test('a call waits as long as any hub may: 300 s', async () => {
  const asked: MethodRequest[] = [];
  const calls = new ModuleCalls(async (_module, request) => {
    asked.push(request);
    return { status: 201, payload: 'done' };
  });
  expect(await calls.call('filter', { name: 'reset', payload: { deep: true } })).toEqual({ status: 201, payload: 'done' });
  expect(asked).toEqual([{ name: 'reset', payload: { deep: true }, responseTimeoutMs: 300_000 }]);
});

describe('a module that gives no answer', () => {
  test.for([
    { kind: 'DeviceNotOnline' as const, status: 504, says: 'filter is not connected to its gateway' },
    { kind: 'GatewayTimeout' as const, status: 504, says: 'filter did not answer reset within 300 s' },
    { kind: 'ServiceUnavailable' as const, status: 504, says: 'its gateway ends' },
    { kind: 'BadDeviceResponse' as const, status: 502, says: 'no JSON' },
  ])('is $status: $says', async ({ kind, status, says }) => {
    const calls = new ModuleCalls(() => Promise.reject(new RequestError(kind, 'no JSON')));
    const answer = await calls.call('filter', { name: 'reset', payload: null });
    expect(answer).toMatchObject({ status, payload: { message: expect.stringContaining(says) } });
  });

  test('keeps 32 calls at the most: the oldest gives way and says so, and those of other modules wait on', async () => {
    await using box = await openBox();
    await using filter = await box.module('filter');
    await filter.subscribe('$iothub/methods/POST/#', 0);
    await using other = await box.module('other');
    await other.subscribe('$iothub/methods/POST/#', 0);
    const calls = new ModuleCalls((module, request, signal) => box.broker.invoke(module, request, signal));
    const ofOther = calls.call('other', { name: 'reset', payload: 0 });
    const waiting = Array.from({ length: 33 }, (_, n) => calls.call('filter', { name: 'reset', payload: n }));
    expect(await waiting[0]).toMatchObject({ status: 504, payload: { message: expect.stringContaining('32 newer calls') } });
    // It was given up before it was on its way.
    for (let n = 0; n < 32; n++) {
      const { topic, payload } = await filter.next('publish');
      filter.publish(`$iothub/methods/res/200/?$rid=${topic.split('$rid=')[1]}`, payload.toString());
    }
    const answers = await Promise.all(waiting.slice(1));
    expect(answers.map(({ payload }) => payload)).toEqual(Array.from({ length: 32 }, (_, n) => n + 1));
    const { topic } = await other.next('publish');
    other.publish(`$iothub/methods/res/202/?$rid=${topic.split('$rid=')[1]}`, 'null');
    expect(await ofOther).toEqual({ status: 202, payload: null } satisfies MethodAnswer);
  });
});
