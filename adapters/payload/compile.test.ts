import { describe, expect, test } from 'vitest';
import type { PlacedPoint } from '../../mappings/language.ts';
import type { PayloadAddress } from './address.ts';
import { compilePayloadPoint } from './compile.ts';
import { payloadPointKeys } from './keys.ts';
import { rules } from './rules.ts';
import { givenMessage, payloadSample } from './sample.ts';
import { compiled } from './testcases/one-point.ts';

test.for<[string, string | undefined, Record<string, unknown>, string, string, RegExp]>([
  ['no at', undefined, {}, 'at', 'payload-place', /\/temperature/],
  ['a path with dots', 'temps.0.value', {}, 'at', 'payload-place', /did you mean \/temps\/0\/value/],
  ['JSONPath', '$.temps[0].value', {}, 'at', 'payload-place', /did you mean \/temps\/0\/value/],
  ['no slash', 'temps/0', {}, 'at', 'payload-place', /did you mean \/temps\/0/],
  ['a bare tilde', '/a~b', {}, 'at', 'payload-place', /\/a~0b/],
  ['property misspelt', 'propery:kind', {}, 'at', 'payload-place', /did you mean property:kind/],
  ['a property without a name', 'property:', {}, 'at', 'payload-place', /property:name/],
  ['a column misspelt', 'colum:temp', { body: 'csv' }, 'at', 'payload-place', /did you mean column:temp/],
  ['a column without the word', 'temp', { body: 'csv' }, 'at', 'payload-place', /did you mean column:temp/],
  ['column 0', 'column:0', { body: 'csv' }, 'at', 'payload-place', /column:1/],
  ['a name without a header', 'column:a', { body: 'csv', header: false }, 'header', 'payload-key', /column:3/],
  ['a separator that is the decimal point', 'column:a', { body: 'csv', separator: '.' }, 'separator', 'payload-key', /decimal/],
  ['offset in words', 'offset 4', { body: 'binary', type: 'int16' }, 'at', 'payload-place', /did you mean byte 4/],
  ['bytes without a type', 'byte 4', { body: 'binary' }, 'type', 'payload-type', /float32/],
  ['datetime of bytes', 'byte 4', { body: 'binary', type: 'datetime' }, 'type', 'payload-type', /datetime-unix32/],
  ['text of bytes without length', 'byte 4', { body: 'binary', type: 'string' }, 'length', 'payload-length', /length: 16/],
  ['length of a date', 'byte 4', { body: 'binary', type: 'datetime-s7', length: 2 }, 'length', 'payload-length', /Leave/],
  [
    'an order of another width',
    'byte 4',
    { body: 'binary', type: 'float32', byteOrder: 'GHEFCDAB' },
    'byteOrder',
    'payload-byte-order',
    /ABCD/,
  ],
  [
    'swapped pairs of an odd text',
    'byte 4',
    { body: 'binary', type: 'string', length: 5, byteOrder: 'BADC' },
    'byteOrder',
    'payload-byte-order',
    /even/,
  ],
  ['BCD in JSON', '/a', { type: 'bcd16' }, 'type', 'payload-type', /uint16/],
  ['xml without a slash', 'status/t', { body: 'xml' }, 'at', 'payload-place', /did you mean \/status\/t/],
  ['xml with an empty step', '/status//t', { body: 'xml' }, 'at', 'payload-place', /path of elements/],
  ['an element number 0', '/status/t[0]', { body: 'xml' }, 'at', 'payload-place', /count from 1/],
  ['a place in a text', '/a', { body: 'text' }, 'at', 'payload-place', /match/],
  ['match outside of text', '/a', { match: '(a)' }, 'match', 'payload-key', /text/],
  ['match without a group', undefined, { body: 'text', match: 'a' }, 'match', 'payload-match', /\(/],
  ['a zone that is none', '/a', { timeZone: 'Berlin' }, 'timeZone', 'payload-time', /Europe\/Berlin/],
  ['a format of another tool', '/a', { time: '/t', timeFormat: 'DD.MM.YYYY' }, 'timeFormat', 'payload-time', /dd\.MM\.yyyy/],
  ['a format misspelt', '/a', { time: '/t', timeFormat: 'ISO8' }, 'timeFormat', 'payload-time', /iso/],
  [
    'a time in bytes without a format',
    'byte 0',
    { body: 'binary', type: 'int8', time: 'byte 1' },
    'timeFormat',
    'payload-time',
    /datetime-unix32/,
  ],
  ['a filter over bytes', 'byte 0', { body: 'binary', type: 'int8', when: { 'byte 3': 1 } }, 'when', 'payload-when', /property/],
  ['a filter that is no place', '/a', { when: { 'x:y': 1 } }, 'when', 'payload-when', /did you mean/],
])('%s', ([, at, own, key, rule, hint]) => {
  const { address, findings } = compiled(at, own);
  expect(address).toBeUndefined();
  expect(findings).toMatchObject([{ key, rule }]);
  expect(`${findings[0]?.message} | ${findings[0]?.hint}`).toMatch(hint);
  expect(Object.keys(rules)).toContain(rule);
});

test('what an adapter decides', () => {
  expect(compiled('property:a', {}, { properties: false }).findings).toMatchObject([{ key: 'at', rule: 'payload-place' }]);
  expect(compiled('annotation:a', {}, {}).findings).toMatchObject([{ key: 'at', rule: 'payload-place' }]);
  expect(compiled('column:a', { payload: 'csv' }, { bodyKey: 'payload' }).address).toMatchObject({ body: 'csv', separator: ',' });
  expect(compiled('/a', {}, { body: 'xml' }).address).toMatchObject({ body: 'xml' });
  const found: string[] = [];
  compilePayloadPoint({ name: 'p', at: '/a', own: {}, write: true, bits: false }, (key, { rule }) => found.push(`${key} ${rule}`));
  expect(found).toEqual(['write payload-read-only']);
});

test('equal points have deeply equal addresses, and only what differs from the default is in them', () => {
  const own = { type: 'int64', time: '/t', when: { kind: ['a', 5] } };
  expect(compiled('/a/b', own).address).toEqual(compiled('/a/b', { ...own, missing: 'bad' }).address);
  expect(compiled('/a/b').address).toEqual({ body: 'json', place: { kind: 'pointer', tokens: ['a', 'b'] }, shown: '/a/b' });
  expect(compiled('/a/b', own).rawType).toBe('int64');
});

test('every key has a description, every rule an explanation', () => {
  for (const [key, schema] of Object.entries(payloadPointKeys)) expect(schema.description?.length, key).toBeGreaterThan(20);
  for (const [id, { meaning, cure }] of Object.entries(rules)) {
    expect(id).toMatch(/^payload-[a-z-]+$/);
    expect(meaning.length, id).toBeGreaterThan(20);
    expect(cure.length, id).toBeGreaterThan(10);
  }
});

describe('samples', () => {
  const placed = (name: string, at: string | undefined, own: Record<string, unknown> = {}): PlacedPoint<PayloadAddress> => ({
    name,
    address: compiled(at, own).address!,
    rawType: undefined,
    everyMs: 1000,
  });
  const points = [
    placed('temperature', '/temps/0/value', { when: { kind: 'temperature' } }),
    placed('batch', '/batch'),
    placed('pressure', 'byte 0', { body: 'binary', type: 'float32' }),
  ];
  const run = (given: Record<string, unknown>, some = points) => {
    const findings: string[] = [];
    const report = (entry: string, { rule, message }: { rule: string; message: string }) => findings.push(`${entry} ${rule} ${message}`);
    const out = payloadSample([givenMessage(given, report)], some, (address) => address, report);
    return { values: Object.fromEntries([...out].map(([name, { raw }]) => [name, raw])), out, findings };
  };
  const [temperature, batch, pressure] = points as [PlacedPoint<PayloadAddress>, PlacedPoint<PayloadAddress>, PlacedPoint<PayloadAddress>];

  test('a body as text', () => {
    const { values, out, findings } = run({ body: '{"temps":[{"value":23.5}],"batch":9007199254740993}', 'property:kind': 'temperature' }, [
      temperature,
      batch,
    ]);
    expect(findings).toEqual([]);
    expect(values).toEqual({ temperature: 23.5, batch: 9007199254740993n });
    expect(out.get('temperature')).toMatchObject({ shown: '/temps/0/value = 23.5, json', type: 'float64' });
  });

  test('a body as a group; what the filter keeps out is left out', () => {
    expect(run({ body: { temps: [{ value: 5 }], batch: 7 } }, [temperature, batch]).values).toEqual({ batch: 7 });
  });

  test('hex digits and bytes for binary', () => {
    expect(run({ body: '42 F6 E9 79' }, [pressure]).values).toEqual({ pressure: 123.456 });
    expect(run({ body: [0x42, 0xf6, 0xe9, 0x79] }, [pressure]).values).toEqual({ pressure: 123.456 });
  });

  test('a place that is missing says so', () => {
    expect(run({ body: '{}' }, [batch]).out.get('batch')).toMatchObject({
      raw: undefined,
      shown: 'the message has no /batch',
      state: { status: { name: 'BadNotFound' } },
    });
  });

  test.for<[string, Record<string, unknown>, PlacedPoint<PayloadAddress>, RegExp]>([
    ['no JSON', { body: '{"batch":' }, batch, /^body payload-given not JSON: .* at byte 9$/],
    ['no hex digits', { body: '42 F6 E9 7' }, pressure, /^body payload-given .*not a binary body/],
    ['an unknown entry', { body: '{"batch":1}', bodyy: 1 }, batch, /^bodyy payload-given/],
  ])('%s', ([, given, point, finding]) => {
    expect(run(given, [point]).findings.join()).toMatch(finding);
  });

  test('several messages, each to its points', () => {
    const message = (entry: string, body: unknown, name: string) => ({
      entry,
      body,
      reaches: (point: PlacedPoint<PayloadAddress>) => point.name === name,
    });
    const never = () => expect.unreachable();
    const out = payloadSample(
      [message('a', { batch: 1 }, 'batch'), message('b', '42F6E979', 'pressure')],
      points,
      (address) => address,
      never,
    );
    expect([...out.keys()]).toEqual(['batch', 'pressure']);
  });
});

test.for<[string, Record<string, unknown>, boolean]>([
  ['none', {}, true],
  ['of the plant', { timeZone: 'Europe/Berlin' }, false],
  ['said to be UTC', { timeZone: 'UTC' }, false],
  ['none, of a form that has one', { timeFormat: 'iso' }, false],
  ['none, where no time is read', { time: undefined }, false],
])('a pattern of local times with a zone: %s', ([, own, warned]) => {
  const found: object[] = [];
  const keys = { time: '/t', timeFormat: 'dd.MM.yyyy HH:mm:ss', ...own };
  const source = { name: 'p', at: '/a', own: keys, write: false, bits: false };
  expect(compilePayloadPoint(source, (key, finding) => found.push({ key, ...finding }))).toBeDefined();
  expect(found).toMatchObject(warned ? [{ key: 'timeFormat', rule: 'payload-time-zone', severity: 'warn' }] : []);
});
