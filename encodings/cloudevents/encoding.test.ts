import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TelemetryEvent } from '../../model/telemetry.ts';
import type { EncodedMessage } from '../contract.ts';
import { anyEvents, anyGrain } from '../testcases/arbitrary.ts';
import { textOf } from '../testcases/decode.ts';
import { everyKind, gap, noon, sampleContext, sampleEvents, telemetry } from '../testcases/sample.ts';
import { cloudevents } from './encoding.ts';

const encoder = (settings: object = {}) => cloudevents.open(cloudevents.settings.parse(settings), sampleContext());

/** Reads as CloudEvents 1.0.2 and its JSON format 1.0.2 say, and refuses everything else. */
function strictly({ body, contentType }: EncodedMessage): readonly Record<string, unknown>[] {
  const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  const events = (Array.isArray(parsed) ? parsed : [parsed]) as Record<string, unknown>[];
  if (contentType !== 'application/json') {
    expect(contentType).toBe(Array.isArray(parsed) ? 'application/cloudevents-batch+json' : 'application/cloudevents+json');
  }
  for (const event of events) {
    expect(event.specversion).toBe('1.0');
    for (const required of ['id', 'source', 'type']) expect(event[required]).toMatch(/.+/);
    expect(event.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    for (const [name, value] of Object.entries(event)) {
      if (name === 'data') continue;
      expect(name).toMatch(/^[a-z0-9]{1,20}$/);
      const integer = typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31;
      expect(typeof value === 'string' || typeof value === 'boolean' || integer).toBe(true);
    }
  }
  return events;
}

test('events leave as they came, `previous` too', () => {
  const events = [...sampleEvents.slice(0, 2), { ...gap(104299), previous: '104234' }];
  const [message] = encoder().encode(events, { grain: 'batch', maxBodyBytes: 250_000 });
  expect(strictly(message!)).toEqual(JSON.parse(JSON.stringify(events)));
});

test('one event stands alone, several are an array', () => {
  const encode = (count: number) => encoder().encode(sampleEvents.slice(0, count), { grain: 'batch', maxBodyBytes: 250_000 })[0]!;
  expect(JSON.parse(textOf(encode(1)))).toEqual(sampleEvents[0]);
  expect(JSON.parse(textOf(encode(2)))).toEqual(sampleEvents.slice(0, 2));
});

test.for([
  { contentType: 'json', one: 'application/json', several: 'application/json' },
  { contentType: 'cloudevents', one: 'application/cloudevents+json', several: 'application/cloudevents-batch+json' },
])('content types: $contentType', ({ contentType, one, several }) => {
  const encode = (count: number) =>
    encoder({ contentType }).encode(sampleEvents.slice(0, count), { grain: 'batch', maxBodyBytes: 250_000 })[0]!;
  expect(encode(1).contentType).toBe(one);
  expect(encode(2).contentType).toBe(several);
});

test('a part of an event says which it is, of how many, and has an id of its own', () => {
  const event = { ...telemetry(9, everyKind), previous: '4' };
  const messages = encoder().encode([event], { grain: 'batch', maxBodyBytes: 800 });
  const parts = messages.flatMap(strictly) as unknown as (TelemetryEvent & { part: number; parts: number })[];
  expect(parts.length).toBeGreaterThan(2);
  expect(parts.map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
  expect(parts.map(({ part }) => part)).toEqual(parts.map((_, i) => i));
  expect(parts.every(({ parts: of, sequence, previous }) => of === parts.length && sequence === '9' && previous === '4')).toBe(true);
  expect(parts.flatMap(({ data }) => data.readings)).toEqual(everyKind);
});

test('createdMs is the gateway time of the oldest reading inside', () => {
  const readings = [
    { point: 'a', value: 1, time: '1999-01-01T00:00:00.000Z', received: '2026-11-24T08:00:05.000Z' },
    { point: 'b', value: 2, time: noon },
  ];
  const [message] = encoder().encode([telemetry(1, readings)], { grain: 'batch', maxBodyBytes: 250_000 });
  expect(message?.createdMs).toBe(Date.parse(noon));
});

test('whatever is cut, all readings arrive in order and as they were', () => {
  fc.assert(
    fc.property(anyEvents, anyGrain, fc.integer({ min: 300, max: 3000 }), (events, grain, maxBodyBytes) => {
      const read = encoder().encode(events, { grain, maxBodyBytes }).flatMap(strictly) as unknown as TelemetryEvent[];
      const readings = (list: readonly unknown[]) => (list as TelemetryEvent[]).flatMap(({ data }) => data.readings ?? []);
      expect(readings(read)).toEqual(readings(JSON.parse(JSON.stringify(events))));
    }),
  );
});
