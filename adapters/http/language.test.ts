import { describe, expect, test } from 'vitest';
import { compileMapping } from '../../mappings/load.ts';
import { rules as payloadRules } from '../payload/rules.ts';
import { http } from './adapter.ts';
import { urlOf } from './address.ts';
import { rules } from './rules.ts';

const check = (text: string) => compileMapping('m.yaml', text, [http]);

const press = `equipment: press-7
connection:
  adapter: http
  url: http://10.20.0.60:8080/api
  user: operator
  password: { file: ./secrets/press }
defaults: { path: /status, every: 2s, time: /ts }
points:
  temperature: { at: /temps/0/value, unit: Cel, range: [0, 200] }
  batch:       { at: /batch, type: uint64 }
  state:       { at: /state, enum: { 0: stopped, 1: running } }
  force:       { path: /force.bin, body: binary, time: null, at: byte 2, type: float32, unit: kN }
samples:
  - name: from the manual
    given:
      path /status: '{"ts":"2026-11-24T08:00:00Z","temps":[{"value":93.2}],"batch":18446744073709551615,"state":1}'
      path /force.bin: "00 01 42 F6 E9 79"
    expect: { temperature: 93.2, batch: 18446744073709551615, state: running, force: 123.456 }
`;

test('a mapping is accepted, and its sample holds', () => {
  const { equipment, problems, samples } = check(press);
  expect(problems).toEqual([]);
  expect(equipment[0]?.settings).toMatchObject({ timeout: 5000, maxBody: 4_000_000, maxConnections: 4, headers: {} });
  expect(samples.map(({ passed, trace }) => [passed, trace.split(' -> ')[0]])).toEqual([
    [true, '/temps/0/value = 93.2, json'],
    [true, '/batch = 18446744073709551615, json'],
    [true, '/state = 1, json'],
    [true, 'byte 2 = 123.456, binary'],
  ]);
});

describe('mistakes', () => {
  const machine = (connection: string, points = '  a: { at: /a }'): string =>
    `equipment: m-1\nconnection: { adapter: http, ${connection} }\npoints:\n${points}\n`;
  const sound = 'url: "http://h"';
  test.for<[string, string, string]>([
    ['no scheme', 'http-url', machine('url: h')],
    ['another scheme', 'http-url', machine('url: "ftp://h"')],
    ['a user in the URL', 'http-url', machine('url: "http://a:b@h"')],
    ['a query', 'http-url', machine('url: "http://h?a=1"')],
    ['no port', 'http-url', machine('url: "http://h:99999"')],
    ['half of a pair', 'http-auth', machine(`${sound}, user: a`)],
    ['the other half', 'http-auth', machine(`${sound}, password: { env: A }`)],
    ['both kinds', 'http-auth', machine(`${sound}, user: a, password: { env: A }, token: { env: B }`)],
    ['a header of the connection', 'http-header', machine(`${sound}, headers: { Content-Length: "5" }`)],
    ['a key in the file', 'http-secret', machine(`${sound}, headers: { X-API-Key: abc }`)],
    ['a login in the file', 'http-secret', machine(`${sound}, headers: { authorization: "Basic YTpi" }`)],
    ['a name that is none', 'http-header', machine(`${sound}, headers: { "a b": c }`)],
    ['a size without unit', 'http-size', machine(`${sound}, maxBody: "4"`)],
    ['a timeout without unit', 'duration', machine(`${sound}, timeout: "4"`)],
    ['a host in the path', 'http-path', machine(sound, '  a: { path: "http://h/x", at: /a }')],
    ['a blank in the path', 'http-path', machine(sound, '  a: { path: "/a b", at: /a }')],
    ['a fragment', 'http-path', machine(sound, '  a: { path: "/a#b", at: /a }')],
    ['no place', 'payload-place', machine(sound, '  a: { path: /a }')],
    ['an annotation', 'payload-place', machine(sound, '  a: { at: "annotation:x" }')],
    ['write', 'payload-read-only', machine(sound, '  a: { at: /a, write: { } }')],
    ['a sample of another page', 'http-given', `${machine(sound)}samples:\n  - { given: { path /x: 1 }, expect: { } }\n`],
  ])('%s: %s', ([, rule, text]) => {
    const { problems } = check(text);
    expect(problems.map((problem) => problem.rule)).toEqual([rule]);
    expect(Object.keys({ ...rules, ...payloadRules, duration: 0 })).toContain(rule);
  });
});

test.for([
  ['http://h', '', 'http://h/'],
  ['http://h', '/a', 'http://h/a'],
  ['http://h/api', 'a', 'http://h/api/a'],
  ['http://h/api/', '/a?b=c?d', 'http://h/api/a?b=c?d'],
  ['http://h/api', '', 'http://h/api'],
  ['http://h/api', '?a=1', 'http://h/api?a=1'],
  ['http://h/api', '/../x', 'http://h/x'],
])('%s and %s make %s', ([base, path, url]) => {
  expect(String(urlOf(new URL(base!), path!))).toBe(url);
});

test('every rule is explained', () => {
  for (const [id, { meaning, cure }] of Object.entries(rules)) {
    expect(id).toMatch(/^http-[a-z-]+$/);
    expect(meaning.length, id).toBeGreaterThan(20);
    expect(cure.length, id).toBeGreaterThan(10);
  }
});
