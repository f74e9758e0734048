import { expect, test } from 'vitest';
import type { OutboxEvent } from '../outbox/contract.ts';
import { outboxSender } from './outbox-sender.ts';

const origin = { gateway: 'gw', source: '/site/gw', outbox: 'ab12' };

async function sent(body: string | Uint8Array, contentType?: string): Promise<string> {
  const events: OutboxEvent[] = [];
  const sender = outboxSender(origin, async (event) => void events.push(event));
  const system = { connectionModuleId: 'scale', outputName: 'lines', ...(contentType && { contentType }) };
  await sender.send({ source: '/messages/modules/scale/outputs/lines', body: Buffer.from(body), properties: { line: '2' }, system }, '1');
  return events[0]!.encode(7);
}

test('a message of a module becomes a CloudEvent, its JSON as it was written', async () => {
  const text = await sent('{"weight": 9007199254740993, "unit": "g"}', 'application/json');
  expect(text).toContain('"data":{"weight": 9007199254740993, "unit": "g"}}');
  expect(JSON.parse(text)).toMatchObject({
    specversion: '1.0',
    id: 'gw/ab12/7',
    type: 'dragoman.module.v1',
    subject: 'scale',
    output: 'lines',
    properties: '{"line":"2"}',
    datacontenttype: 'application/json',
  });
});

test.each([
  ['bytes', Uint8Array.of(0, 255, 10), undefined, 'AP8K'],
  ['what says it is JSON and is not', '{weight: 1}', 'application/json', 'e3dlaWdodDogMX0='],
])('%s go as Base64', async (_what, body, contentType, base64) => {
  expect(JSON.parse(await sent(body, contentType))).toMatchObject({ data_base64: base64 });
});
