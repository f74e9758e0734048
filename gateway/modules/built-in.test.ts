import { expect, test } from 'vitest';
import type { RoutedMessage } from '../../deployments/contract.ts';
import type { WriteReport, WriteRequest } from '../control/contract.ts';
import { readingsTap, writeHandler } from './built-in.ts';

function parts(wanted: readonly string[] = []) {
  const injected: RoutedMessage[] = [];
  const lost: string[] = [];
  return {
    injected,
    lost,
    deviceId: 'gw-1',
    wants: (source: string) => wanted.includes(source),
    inject: async (message: RoutedMessage) => {
      if (message.properties.equipment === 'full') throw new Error('no room');
      injected.push(message);
    },
  };
}

const told = (given: ReturnType<typeof parts>) => ({
  ...given,
  lost: (equipment: string, error: Error) => given.lost.push(`${equipment}: ${error.message}`),
});

test('a reading is a message of the module dragoman, its output the machine; nobody is asked about what no route wants', async () => {
  const given = parts(['/messages/modules/dragoman/outputs/cooker-1']);
  const tap = readingsTap(told(given));
  expect(tap.wants('cooker-1')).toBe(true);
  expect(tap.wants('mixer-1')).toBe(false);
  tap.take({ equipment: 'cooker-1', path: 'site/line' }, '{"data":1}');
  expect(given.injected).toEqual([
    {
      source: '/messages/modules/dragoman/outputs/cooker-1',
      body: Buffer.from('{"data":1}'),
      properties: { equipment: 'cooker-1', path: 'site/line' },
      system: expect.objectContaining({ connectionModuleId: 'dragoman', outputName: 'cooker-1', contentType: 'application/json' }),
    },
  ]);
});

test('readings that find no room are told of, and harm nobody', async () => {
  const given = parts();
  readingsTap(told(given)).take({ equipment: 'full', path: '' }, '{}');
  await Promise.resolve();
  await Promise.resolve();
  expect(given.lost).toEqual(['full: no room']);
});

const message = (body: string, system: Record<string, string> = {}): RoutedMessage => ({
  source: '/messages/modules/score/outputs/set',
  body: Buffer.from(body),
  properties: {},
  system: { connectionModuleId: 'score', ...system },
});

test('a write of a module goes past the guards in its name, under a key that is the same when it comes again; its report is an output', async () => {
  const asked: WriteRequest[] = [];
  const given = parts();
  const report: WriteReport = { outcome: 'refused', guard: 'range', reason: '130 is above 120', new: 130 };
  const write = async (request: WriteRequest): Promise<WriteReport> => {
    asked.push(request);
    return report;
  };
  const handle = writeHandler({ write }, given);
  await handle(message('{"equipment":"cooker-1","point":"setpoint","value":130}', { messageId: 'm-7' }), '41');
  await handle(message('{"equipment":"cooker-1","point":"setpoint","value":130,"key":"recipe-9","expires":"5s"}'), '42');
  expect(asked).toEqual([
    { equipment: 'cooker-1', point: 'setpoint', value: 130, who: 'module score', from: 'module', key: 'module score message 41' },
    {
      equipment: 'cooker-1',
      point: 'setpoint',
      value: 130,
      who: 'module score',
      from: 'module',
      key: 'module score recipe-9',
      expiresMs: 5_000,
    },
  ]);
  expect(given.injected[0]).toMatchObject({
    source: '/messages/modules/dragoman/outputs/writes',
    properties: { outcome: 'refused', module: 'score', equipment: 'cooker-1' },
    system: { correlationId: 'm-7' },
  });
  expect(JSON.parse(Buffer.from(given.injected[0]!.body).toString())).toMatchObject({ point: 'setpoint', guard: 'range', new: 130 });
});

test.each([
  ['{', /cannot be read: .*JSON/],
  ['{"equipment":"cooker-1","value":1}', /point: /],
  ['{"equipment":"cooker-1","point":"p","value":1,"valeu":2}', /valeu/],
])('what cannot be read as a write is refused for ever, with the reason: %s', async (body, reason) => {
  const handle = writeHandler({ write: () => Promise.reject(new Error('never asked')) }, parts());
  await expect(handle(message(body), '1')).rejects.toMatchObject({ retry: 'never', message: expect.stringMatching(reason) });
});
