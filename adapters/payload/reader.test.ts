import { describe, expect, test } from 'vitest';
import type { Finding } from '../../mappings/language.ts';
import { compilePayloadPoint, type PayloadOptions } from './compile.ts';
import type { Tree } from './contract.ts';
import { messageReader } from './reader.ts';

interface Outcome {
  readonly value: unknown;
  readonly type?: string | undefined;
  readonly status?: string | undefined;
  readonly reason?: string | undefined;
  readonly timeMs: number;
  readonly ticks: number;
}

interface Given {
  readonly body: Uint8Array | { readonly tree: Tree };
  readonly properties?: Readonly<Record<string, Tree>>;
  readonly annotations?: Readonly<Record<string, Tree>>;
  readonly timeMs?: number;
}

export function compiled(at: string | undefined, own: Record<string, unknown> = {}, options: PayloadOptions = { annotations: true }) {
  const findings: (Finding & { readonly key: string })[] = [];
  const source = { name: 'p', at, own, write: false, bits: false };
  const out = compilePayloadPoint(source, (key, finding) => findings.push({ key, ...finding }), options);
  return { address: out?.address, rawType: out?.rawType, findings };
}

/** Reads one message by one point; a list where CSV gives several. */
export function readAll(at: string | undefined, own: Record<string, unknown>, given: Given): Outcome[] {
  const { address, findings } = compiled(at, own);
  expect(findings).toEqual([]);
  const out = messageReader([{ index: 7, address: address! }]).read({
    body: given.body,
    property: (name) => given.properties?.[name],
    annotation: (name) => given.annotations?.[name],
    ...(given.timeMs !== undefined && { timeMs: given.timeMs }),
    receivedMs: 99,
  });
  expect(out.points.every((index) => index === 7)).toBe(true);
  return out.points.map((_, i) => ({
    value: out.values[i],
    type: out.types[i],
    status: out.states[i]?.status.name,
    reason: out.states[i]?.reason,
    timeMs: out.sourceTimesMs[i]!,
    ticks: out.sourceTicks[i]!,
  }));
}

const text = (body: string): Given => ({ body: Buffer.from(body) });
const one = (at: string | undefined, own: Record<string, unknown>, given: Given): Outcome | undefined => readAll(at, own, given)[0];

describe('json', () => {
  test.for<[string, string, string, Record<string, unknown>, unknown, string]>([
    ['a number', '{"a":{"b":[1,2.5]}}', '/a/b/1', {}, 2.5, 'float64'],
    ['the whole body', '23.5', '', {}, 23.5, 'float64'],
    ['a text', '{"s":"running"}', '/s', {}, 'running', 'string'],
    ['digits in a text stay text', '{"s":"007"}', '/s', {}, '007', 'string'],
    ['a boolean', '{"s":true}', '/s', {}, true, 'bool'],
    ['an array', '{"s":[1,2]}', '/s', {}, [1, 2], 'float64'],
    ['an integer beyond 2^53', '{"s":9007199254740993}', '/s', {}, 9007199254740993n, 'int64'],
    ['an integer beyond 2^63', '{"s":18446744073709551615}', '/s', {}, 18446744073709551615n, 'uint64'],
    ['an integer beyond 2^64', '{"s":18446744073709551616}', '/s', {}, '18446744073709551616', 'decimal'],
    ['a decimal beyond a double', '{"s":90071992547409.93}', '/s', {}, '90071992547409.93', 'decimal'],
    ['a double as .NET prints it', '{"s":0.10000000000000001}', '/s', {}, 0.1, 'float64'],
    ['a small integer', '{"s":5}', '/s', { type: 'int64' }, 5n, 'int64'],
    ['int64 from digits', '{"s":"9007199254740993"}', '/s', { type: 'int64' }, 9007199254740993n, 'int64'],
    ['an escaped key', '{"a/b":{"~":4}}', '/a~1b/~0', {}, 4, 'float64'],
    ['a key of the prototype', '{"__proto__":4}', '/__proto__', {}, 4, 'float64'],
    ['with a byte order mark', '\ufeff{"s":1}', '/s', {}, 1, 'float64'],
    ['bool from a word', '{"s":"ON"}', '/s', { type: 'bool' }, true, 'bool'],
    ['text from a number', '{"s":12}', '/s', { type: 'string' }, '12', 'string'],
    ['a time', '{"s":"2026-11-24T08:00:00+01:00"}', '/s', { type: 'datetime' }, '2026-11-24T07:00:00.000Z', 'datetime'],
    ['a decimal', '{"s":1e-7}', '/s', { type: 'decimal' }, '0.0000001', 'decimal'],
  ])('%s', ([, body, at, own, value, type]) => {
    expect(one(at, own, text(body))).toMatchObject({ value, type, status: undefined });
  });

  test('NaN as Python writes it', () => {
    expect(one('/a', {}, text('{"a":NaN,"b":1}'))?.value).toBeNaN();
    expect(one('/b', {}, text('{"a":NaN,"b":1}'))?.value).toBe(1);
  });

  test.for<[string, string, string, Record<string, unknown>, string, RegExp]>([
    ['nothing there', '{"a":1}', '/b', {}, 'BadNotFound', /no \/b/],
    ['null', '{"a":null}', '/a', {}, 'BadNoData', /\/a is empty/],
    ['an object', '{"a":{"decimal":"1"}}', '/a', {}, 'BadTypeMismatch', /\/a is an object/],
    ['an array with an object', '{"a":[1,{}]}', '/a', {}, 'BadTypeMismatch', /element 1/],
    ['a text as a number', '{"a":"hot"}', '/a', { type: 'int16' }, 'BadTypeMismatch', /\/a is "hot"/],
    ['a fraction as an integer', '{"a":1.5}', '/a', { type: 'int16' }, 'BadTypeMismatch', /1\.5/],
    ['too large', '{"a":70000}', '/a', { type: 'int16' }, 'BadOutOfRange', /70000, outside int16/],
    ['below zero', '{"a":-1}', '/a', { type: 'uint64' }, 'BadOutOfRange', /-1/],
    ['array index with a zero', '{"a":[1,2]}', '/a/01', {}, 'BadNotFound', /\/a\/01/],
  ])('%s', ([, body, at, own, status, reason]) => {
    expect(one(at, own, text(body))).toMatchObject({ value: undefined, status, reason: expect.stringMatching(reason) });
  });
});
