import fc from 'fast-check';
import rhea from 'rhea';
import { expect, test } from 'vitest';
import type { HubMessage } from '../contract.ts';
import { encodeMessage, envelopeBytes } from './message.ts';

/** As another implementation reads it. */
const decode = (bytes: Buffer): Record<string, unknown> => rhea.message.decode(bytes) as unknown as Record<string, unknown>;

const message = (more: Partial<HubMessage> = {}): HubMessage => ({
  id: 'gw-1-7-9',
  body: Buffer.from('{"a":1}'),
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  createdMs: Date.UTC(2026, 10, 24, 8, 0, 1, 250),
  ...more,
});
const encode = (it: HubMessage, partitionKey?: string): Buffer =>
  encodeMessage(it, it.body, it.contentEncoding, { gateway: 'gw-1', partitionKey });

test('every section is where AMQP wants it', () => {
  const about = { equipment: 'cooker-1', path: 'candyco/leeds', message: 'process', priority: 'alarm', point: 'speed' } as const;
  expect(decode(encode(message({ about, properties: { site: 'Zürich' } }), 'cooker-1'))).toMatchObject({
    durable: true,
    message_annotations: { 'x-opt-partition-key': 'cooker-1' },
    message_id: 'gw-1-7-9',
    subject: 'cooker-1',
    content_type: 'application/json',
    content_encoding: 'utf-8',
    creation_time: new Date('2026-11-24T08:00:01.250Z'),
    group_id: 'cooker-1',
    application_properties: {
      gateway: 'gw-1',
      equipment: 'cooker-1',
      path: 'candyco/leeds',
      message: 'process',
      priority: 'alarm',
      point: 'speed',
      site: 'Zürich',
    },
    body: { typecode: 0x75, content: Buffer.from('{"a":1}') },
  });
});

test('what there is nothing to say about is left out', () => {
  const read = decode(encode(message()));
  expect(read.subject).toBeUndefined();
  expect(read.group_id).toBeUndefined();
  expect(read.message_annotations).toBeUndefined();
  expect(read.application_properties).toEqual({ gateway: 'gw-1' });
});

test('any text and any body come back', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 400 }),
      fc.uint8Array({ maxLength: 3_000 }),
      fc.date({ noInvalidDate: true }),
      (text, body, date) => {
        const read = decode(encode(message({ id: text, body, createdMs: date.getTime(), properties: { text } })));
        expect(read.message_id).toBe(text);
        expect((read.application_properties as Record<string, string>).text).toBe(text);
        expect(Buffer.compare((read.body as { content: Buffer }).content, body)).toBe(0);
        expect(read.creation_time).toEqual(date);
      },
    ),
  );
});

test('the envelope fits into the room kept for it', () => {
  const long = 'x'.repeat(64);
  const about = { equipment: long, path: `${long}/`.repeat(6), message: long, priority: 'command-result', point: long } as const;
  const it = message({
    id: `${long}-18446744073709551615-18446744073709551615`,
    about,
    contentType: 'text/csv; charset=utf-8; header=present',
  });
  expect(encode(it, long).byteLength - it.body.byteLength).toBeLessThan(envelopeBytes);
});
