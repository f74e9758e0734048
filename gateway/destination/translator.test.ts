import { expect, test } from 'vitest';
import type { EncodedMessage, Encoder } from '../../encodings/contract.ts';
import type { HubEvent } from '../../model/telemetry.ts';
import type { OutboxBatch } from '../outbox/contract.ts';
import { Selection, selector } from './selection.ts';
import { translating, unchanged } from './translator.ts';

const event = (sequence: number, equipment = 'a'): HubEvent => ({
  specversion: '1.0',
  id: `gw/o/${sequence}`,
  source: '/gw',
  type: 'dragoman.telemetry.v1',
  subject: equipment,
  time: '2026-11-24T08:00:01.250Z',
  datacontenttype: 'application/json',
  sequence: String(sequence),
  partitionkey: equipment,
  data: { equipment, readings: [{ point: 'p', value: sequence, time: '2026-11-24T08:00:01.250Z' }] },
});

function batch(...events: readonly HubEvent[]): OutboxBatch {
  const [first, last] = [events[0]!, events.at(-1)!];
  return {
    firstSequence: Number(first.sequence),
    lastSequence: Number(last.sequence),
    readings: events.length,
    fromMs: 0,
    events: events.length,
    encoding: 'utf-8',
    body: Buffer.from(JSON.stringify(events.length === 1 ? first : events)),
  };
}

/** One message an event, whose body is the event. */
const encoder: Encoder = {
  encode: (events) =>
    events.map(
      (one): EncodedMessage => ({
        id: one.id,
        body: Buffer.from(JSON.stringify(one)),
        contentType: 'application/json',
        createdMs: 0,
        readings: 1,
      }),
    ),
};

const only = (equipment: string) => selector(Selection.parse({ equipment }));
const options = { gateway: 'gw', encoder, grain: 'event', maxBodyBytes: 1_000, mark: undefined } as const;
const previous = (parts: readonly { readonly message: { readonly body: Uint8Array } }[]): readonly (string | undefined)[] =>
  parts.map(({ message }) => (JSON.parse(Buffer.from(message.body).toString()) as HubEvent).previous);

test('a batch that needs no change is not touched', () => {
  const one = batch(event(1), event(2));
  const { parts, mark } = unchanged('gw', 100, true).translate(one);
  expect(parts[0]?.message).toMatchObject({ id: 'gw-1-2', body: one.body, contentEncoding: 'utf-8' });
  expect(mark).toBeUndefined();
});

test('each event that is selected names the one before it, over batches and over restarts', () => {
  const translator = translating({ ...options, select: only('a') });
  const first = translator.translate(batch(event(1), event(2, 'b'), event(3)));
  expect(previous(first.parts)).toEqual([undefined, '1']);
  expect(first.mark).toBe('3');
  const nothing = translator.translate(batch(event(4, 'b')));
  expect(nothing).toEqual({ parts: [], mark: '3' });
  const again = translating({ ...options, select: only('a'), mark: nothing.mark });
  expect(previous(again.translate(batch(event(5))).parts)).toEqual(['3']);
});

test('without a selection the numbers prove completeness by themselves', () => {
  const { parts, mark } = translating({ ...options, select: undefined }).translate(batch(event(1), event(2)));
  expect(previous(parts)).toEqual([undefined, undefined]);
  expect(mark).toBeUndefined();
});

test('a session with a form of its own gets the events', async () => {
  const got: HubEvent[] = [];
  const { parts } = translating({ ...options, encoder: undefined, select: only('a') }).translate(batch(event(1), event(2, 'b')));
  expect(parts).toHaveLength(1);
  await parts[0]!.send({ sendEvents: async (events: readonly HubEvent[]) => void got.push(...events) } as never);
  expect(got.map(({ sequence }) => sequence)).toEqual(['1']);
});
