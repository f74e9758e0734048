import { describe, expect, test } from 'vitest';
import type { Tree } from './contract.ts';
import { messageReader } from './reader.ts';
import { compiled, type Given, one, readAll, text } from './testcases/one-point.ts';
import { UndecodableError } from './undecodable.ts';

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
    [
      'another case',
      '{"Temps":[{"Value":1}]}',
      '/temps/0/value',
      {},
      'BadNotFound',
      /^the message has no \/temps\/0\/value; did you mean \/Temps\/0\/Value\?$/,
    ],
    ['another case beside a long number', '{"a":{"Big":9007199254740993}}', '/a/big', {}, 'BadNotFound', /did you mean \/a\/Big\?$/],
    ['a right key of a wrong one', '{"temp":{"x":1}}', '/temps/value', {}, 'BadNotFound', /^the message has no \/temps\/value$/],
    ['a decimal comma', '{"a":"12,5"}', '/a', { type: 'float64' }, 'BadTypeMismatch', /; decimal: "," reads a decimal comma$/],
    ['array index with a zero', '{"a":[1,2]}', '/a/01', {}, 'BadNotFound', /\/a\/01/],
  ])('%s', ([, body, at, own, status, reason]) => {
    expect(one(at, own, text(body))).toMatchObject({ value: undefined, status, reason: expect.stringMatching(reason) });
  });
});

describe('a JSON body that cannot be read', () => {
  test.for<[string, string, RegExp]>([
    ['empty', '', /empty, at byte 0$/],
    ['cut off', '{"a":1', /the body ends where a comma or }.*at byte 6$/],
    ['a key twice', '{"a":1,"b":{"c":1,"c":2}}', /"c" comes twice.*at byte 18$/],
    ['behind a byte order mark', '\ufeff{"a":}', /at byte 8$/],
    ['two values', '{"a":1}{"a":2}', /after the end.*at byte 7$/],
    ['a comma too many', '{"ü":[1,]}', /"\]" where a value.*at byte 9$/],
    ['single quotes', "{'a':1}", /double quotes.*at byte 1$/],
    ['nested too deep', `${'['.repeat(65)}1${']'.repeat(65)}`, /64 levels.*at byte 64$/],
    ['a bomb', '['.repeat(500_000), /64 levels/],
    ['a number without end', `{"a":${'9'.repeat(5000)}}`, /a number of 5000 characters/],
    ['a leading zero', '{"a":01}', /at byte 6$/],
    ['a control character', '{"a":"\u0001"}', /control character/],
  ])('%s', ([, body, reason]) => {
    expect(() => one('/a', {}, text(body))).toThrow(reason);
    expect(() => one('/a', {}, text(body))).toThrow(UndecodableError);
  });

  test('not UTF-8, with the byte', () => {
    expect(() => one('/a', {}, { body: Buffer.from([0x7b, 0x22, 0xfc, 0x22, 0x7d]) })).toThrow(/not UTF-8 text, at byte 2$/);
    expect(() => one('/a', {}, { body: Buffer.from([0x7b, 0x22, 0xc3]) })).toThrow(/not UTF-8 text, at byte 3$/);
  });

  test('larger than allowed', () => {
    const { address } = compiled('/a');
    const reader = messageReader([{ index: 0, address: address! }], { maxBody: 10 });
    expect(() => reader.read({ body: Buffer.from('{"a":    1}'), receivedMs: 0 })).toThrow(/11 bytes, more than the 10/);
  });

  test('64 levels are read', () => {
    const body = `${'{"a":'.repeat(64)}1${'}'.repeat(64)}`;
    expect(one('/a'.repeat(64), {}, text(body))?.value).toBe(1);
  });
});

describe('what the protocol decoded', () => {
  const tree = (value: Tree): Given => ({ body: { tree: value } });
  test('maps, decimals, times, bytes', () => {
    const given = tree(
      new Map<string, Tree>([
        ['d', { decimal: '1.10' }],
        ['t', { timeMs: 1_700_000_000_000, ticks: 1234 }],
        ['b', Uint8Array.of(1)],
        ['u', 2n ** 64n - 1n],
        ['l', [1n, 2n]],
      ]),
    );
    expect(one('/d', {}, given)).toMatchObject({ value: '1.10', type: 'decimal' });
    expect(one('/t', {}, given)).toMatchObject({ value: '2023-11-14T22:13:20.0001234Z', type: 'datetime' });
    expect(one('/b', {}, given)).toMatchObject({ value: Uint8Array.of(1), type: 'bytes' });
    expect(one('/u', {}, given)).toMatchObject({ value: 2n ** 64n - 1n, type: 'uint64' });
    expect(one('/l/1', {}, given)).toMatchObject({ value: 2n, type: 'int64' });
    expect(one('/d/decimal', {}, given)).toMatchObject({ status: 'BadNotFound' });
  });

  test('JSON in a text value, as JMS sends it', () => {
    expect(one('/a', {}, tree('{"a":5}'))?.value).toBe(5);
    expect(one(undefined, { body: 'text', type: 'float64' }, tree('5'))?.value).toBe(5);
    expect(one(undefined, { body: 'text' }, tree(5n))?.value).toBe(5n);
  });

  test('a value where bytes should be', () => {
    expect(() => one('byte 0', { body: 'binary', type: 'uint8' }, tree(5))).toThrow(/is 5, a value of the protocol, not bytes/);
  });
});

test('properties and annotations, whatever the body', () => {
  const given = { body: Buffer.from('not json'), properties: { kind: 'a', n: '0012' }, annotations: { 'x-opt-offset': 12n } };
  expect(one('property:kind', {}, given)).toMatchObject({ value: 'a', type: 'string' });
  expect(one('property:n', { type: 'uint16' }, given)).toMatchObject({ value: 12 });
  expect(one('annotation:x-opt-offset', {}, given)).toMatchObject({ value: 12n, type: 'int64' });
  expect(one('property:none', {}, given)).toMatchObject({ status: 'BadNotFound', reason: 'the message has no property none' });
});

describe('csv', () => {
  test.for<[string, string, string, Record<string, unknown>, unknown[]]>([
    ['by name', 'time,temp\nx,12.5\n', 'column:temp', {}, [12.5]],
    ['by number', '1,12.5\n2,13.5', 'column:2', {}, [12.5, 13.5]],
    ['by number, below a header', 'a,b\n1,2', 'column:2', { header: true }, [2]],
    ['quoted', 'a,b\n"x, ""y""\nz",2', 'column:a', {}, ['x, "y"\nz']],
    ['with BOM, CRLF and blank lines', '\ufeffa;b\r\n1;2\r\n\r\n3;4\r\n', 'column:b', { separator: ';' }, [2, 4]],
    ['decimal comma', 'a;b\n1;-2,75', 'column:b', { decimal: ',' }, [-2.75]],
    ['a point under a decimal comma is no number', 'b\n1.234', 'column:b', { decimal: ',' }, ['1.234']],
    ['tabs', 'a\tb\n1\t2', 'column:b', { separator: '\t' }, [2]],
    ['exact', 'a\n9007199254740993', 'column:a', {}, [9007199254740993n]],
    ['leading zeros stay text', 'a\n007', 'column:a', {}, ['007']],
    ['text stays text', 'a\n12', 'column:a', { type: 'string' }, ['12']],
    ['blanks around', 'a , b\n 1 , 2 ', 'column:b', {}, [2]],
    ['NaN of a logger', 'a\nNaN', 'column:a', { type: 'float64' }, [Number.NaN]],
  ])('%s', ([, body, at, own, values]) => {
    expect(readAll(at, { body: 'csv', ...own }, text(body)).map(({ value }) => value)).toEqual(values);
  });

  test('an empty field, a column that is not there, no rows', () => {
    expect(one('column:a', { body: 'csv' }, text('a,b\n,2'))).toMatchObject({ status: 'BadNoData', reason: 'column a is empty' });
    expect(one('column:c', { body: 'csv' }, text('a,b\n1,2'))).toMatchObject({
      status: 'BadNotFound',
      reason: expect.stringMatching(/column c/),
    });
    expect(one('column:a', { body: 'csv' }, text('a,b\n'))).toMatchObject({ status: 'BadNotFound' });
    expect(one('column:Temperature', { body: 'csv' }, text('time,temperature\n1,2\n'))).toMatchObject({
      reason: 'the message has no column Temperature; did you mean column:temperature?',
    });
    expect(readAll('column:a', { body: 'csv', missing: 'keep' }, text('a,b\n'))).toEqual([]);
  });

  test('rows come oldest first, by their time', () => {
    const body = 't,v\n2026-11-24 08:00:02,3\n2026-11-24 08:00:01,2\n2026-11-24 08:00:00,1';
    const out = readAll('column:v', { body: 'csv', time: 'column:t' }, text(body));
    expect(out.map(({ value }) => value)).toEqual([1, 2, 3]);
    expect(out[0]?.timeMs).toBe(Date.UTC(2026, 10, 24, 8));
  });

  test('rows are filtered one by one', () => {
    const body = 'kind,v\na,1\nb,2\na,3';
    expect(readAll('column:v', { body: 'csv', when: { 'column:kind': 'a' } }, text(body)).map(({ value }) => value)).toEqual([1, 3]);
  });

  test('a quote that is never closed', () => {
    expect(() => one('column:a', { body: 'csv' }, text('a,b\n"1,2'))).toThrow(UndecodableError);
    expect(() => one('column:a', { body: 'csv' }, text('a,a\n1,2'))).toThrow(/two columns are called "a"/);
  });
});

describe('xml', () => {
  const body = `<?xml version="1.0" encoding="UTF-8"?>
    <m:status xmlns:m="urn:x" mode="auto"><line speed="12"/><line speed="13">007</line><t> 21.5 </t><n>a &lt; b</n><e/><c><![CDATA[<7>]]></c></m:status>`;
  test.for<[string, Record<string, unknown>, unknown]>([
    ['/status/t', {}, 21.5],
    ['/status/@mode', {}, 'auto'],
    ['/status/line[2]/@speed', { type: 'uint8' }, 13],
    ['/m:status/line[2]', {}, '007'],
    ['/status/n', {}, 'a < b'],
    ['/status/c', {}, '<7>'],
    ['/status/line/@speed', {}, 12],
  ])('%s', ([at, own, value]) => {
    expect(one(at, { body: 'xml', ...own }, text(body))).toMatchObject({ value, status: undefined });
  });

  test.for<[string, string]>([
    ['/status/line[3]/@speed', 'BadNotFound'],
    ['/status/@none', 'BadNotFound'],
    ['/other', 'BadNotFound'],
    ['/status/e', 'BadNoData'],
    ['/status/constructor', 'BadNotFound'],
  ])('%s is %s', ([at, status]) => {
    expect(one(at, { body: 'xml' }, text(body))).toMatchObject({ value: undefined, status });
  });

  test.for<[string, string, RegExp]>([
    ['not closed', '<a><b></a>', /not XML: .*line 1/],
    ['no XML', 'hello', /not XML/],
    ['entities', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', /document type/],
    ['too deep', '<a>'.repeat(70), /64 levels/],
    ['empty', '', /not XML/],
  ])('%s', ([, xml, reason]) => {
    expect(() => one('/a', { body: 'xml' }, text(xml))).toThrow(reason);
    expect(() => one('/a', { body: 'xml' }, text(xml))).toThrow(UndecodableError);
  });
});

describe('xml as machines write it', () => {
  test('references are resolved once, and not within CDATA', () => {
    expect(one('/a', { body: 'xml' }, text('<a>&#176;C &#xB0; &amp;lt;</a>'))?.value).toBe('°C ° &lt;');
    expect(one('/a', { body: 'xml' }, text('<a><![CDATA[&lt;]]></a>'))?.value).toBe('&lt;');
  });

  test('an encoding of one byte a character, where the declaration says so', () => {
    const body = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>21 °C</a>', 'latin1');
    expect(one('/a', { body: 'xml' }, { body })?.value).toBe('21 °C');
    expect(() => one('/a', { body: 'xml' }, { body: Buffer.from('<a>°C</a>', 'latin1') })).toThrow(/not UTF-8 text, at byte 3/);
  });

  test('a > within quotes ends no element', () => {
    expect(one('/r/c', { body: 'xml' }, text(`<r>${'<a b=">"/>'.repeat(100)}<c>1</c></r>`))?.value).toBe(1);
  });
});

describe('text', () => {
  test.for<[string, string, Record<string, unknown>, unknown]>([
    ['a number', '12.5', {}, 12.5],
    ['a number and a line end, of no type', '12.5\r\n', {}, 12.5],
    ['a state and a line end', 'on hold\r\n', {}, 'on hold\r\n'],
    ['a comma and a line end', '12,5\n', { decimal: ',' }, 12.5],
    ['a number and a line end', ' 12.5\r\n', { type: 'float64' }, 12.5],
    ['a word', 'running', {}, 'running'],
    ['a scale', 'S S      12.34 g\r\n', { match: '^S S\\s+(-?\\d+\\.\\d+) g' }, 12.34],
    ['a decimal comma', 'T=-3,5', { match: 'T=([-0-9,]+)', decimal: ',' }, -3.5],
    ['exact digits', 'N 18446744073709551615', { match: 'N (\\d+)', type: 'uint64' }, 18446744073709551615n],
  ])('%s', ([, body, own, value]) => {
    expect(one(undefined, { body: 'text', ...own }, text(body))).toMatchObject({ value, status: undefined });
  });

  test('no match, and a text too long', () => {
    const own = { body: 'text', match: 'T=(\\d+)' };
    expect(one(undefined, own, text('U=1'))).toMatchObject({
      value: undefined,
      status: 'BadNoMatch',
      reason: expect.stringContaining('"U=1"'),
    });
    expect(one(undefined, own, text('x'.repeat(5000)))).toMatchObject({
      status: 'BadNotSupported',
      reason: expect.stringContaining('4096'),
    });
  });
});

describe('binary', () => {
  const bytes = Buffer.from('0142f6e979e97942f6ff8000123456789abcdeef4142000000000000', 'hex');
  test.for<[string, Record<string, unknown>, unknown, string]>([
    ['byte 0', { type: 'bool' }, true, 'bool'],
    ['byte 1', { type: 'float32' }, 123.456, 'float32'],
    ['5', { type: 'float32', byteOrder: 'CDAB' }, 123.456, 'float32'],
    ['byte 9', { type: 'int8' }, -1, 'int8'],
    ['byte 9', { type: 'uint8', length: 2 }, [255, 128], 'uint8'],
    ['byte 0x0A', { type: 'int16' }, -32768, 'int16'],
    ['byte 12', { type: 'uint64' }, 0x123456789abcdeefn, 'uint64'],
    ['byte 12', { type: 'uint64', byteOrder: 'DCBA' }, 0xefdebc9a78563412n, 'uint64'],
    ['byte 12', { type: 'uint16', length: 2 }, [0x1234, 0x5678], 'uint16'],
    ['byte 20', { type: 'string', length: 3 }, 'AB', 'string'],
    ['byte 20', { type: 'bytes', length: 2 }, Uint8Array.of(0x41, 0x42), 'bytes'],
  ])('%s %o', ([at, own, value, type]) => {
    expect(one(at, { body: 'binary', ...own }, { body: bytes })).toMatchObject({ value, type, status: undefined });
  });

  test('a body that ends within or before a value', () => {
    const own = { body: 'binary', type: 'float32' };
    expect(one('byte 26', own, { body: bytes })).toMatchObject({
      status: 'BadNoData',
      reason: expect.stringMatching(/ends at byte 28, within/),
    });
    expect(one('byte 28', own, { body: bytes })).toMatchObject({ status: 'BadNotFound' });
    expect(one('byte 9', { body: 'binary', type: 'bcd16' }, { body: bytes })).toMatchObject({ status: 'BadNoData' });
  });
});

describe('source time', () => {
  const hour = Date.UTC(2026, 10, 24, 8);
  test.for<[string, unknown, Record<string, unknown>, number, number]>([
    ['ISO 8601 with Z', '2026-11-24T08:00:00Z', {}, hour, 0],
    ['with an offset', '2026-11-24T09:00:00+01:00', {}, hour, 0],
    ['to 100 ns', '2026-11-24T08:00:00.1234567Z', {}, hour + 123, 4567],
    ['compact', '20261124T080000Z', {}, hour, 0],
    ['without a zone: UTC', '2026-11-24 08:00:00', {}, hour, 0],
    ['local', '2026-11-24 09:00:00', { timeZone: 'Europe/Berlin' }, hour, 0],
    ['local in summer', '2026-07-24 10:00:00', { timeZone: 'Europe/Berlin' }, Date.UTC(2026, 6, 24, 8), 0],
    ['seconds', hour / 1000, {}, hour, 0],
    ['seconds with decimals', hour / 1000 + 0.25, {}, hour + 250, 0],
    ['milliseconds', hour, {}, hour, 0],
    ['milliseconds in a text', String(hour), {}, hour, 0],
    ['microseconds', hour * 1000 + 7, { timeFormat: 'us' }, hour, 70],
    ['nanoseconds', `${BigInt(hour) * 1_000_000n + 1_234_567n}`, { timeFormat: 'ns' }, hour + 1, 2345],
    ['a pattern', '24.11.2026 09:00:00,5', { timeFormat: 'dd.MM.yyyy HH:mm:ss,S', timeZone: 'Europe/Berlin' }, hour + 500, 0],
    ['an American pattern', '11/24/26 08:00', { timeZone: 'UTC', timeFormat: 'MM/dd/yy HH:mm' }, hour, 0],
    ['the end of a day', '2026-11-23T24:00:00Z', {}, Date.UTC(2026, 10, 24), 0],
  ])('%s', ([, t, own, timeMs, ticks]) => {
    const body = JSON.stringify({ t, v: 1 }).replace(/"(\d{19})"/, '$1');
    expect(one('/v', { time: '/t', ...own }, text(body))).toMatchObject({ value: 1, status: undefined, timeMs, ticks });
  });

  test.for<[string, unknown, Record<string, unknown>]>([
    ['no such day', '2026-02-30T08:00:00Z', {}],
    ['words', 'yesterday', {}],
    ['nothing', null, {}],
    ['a number where ISO is wanted', 5, { timeFormat: 'iso' }],
    ['a skipped hour', '2026-03-29 02:30:00', { timeZone: 'Europe/Berlin' }],
    ['beyond all years', 1e300, { timeFormat: 's' }],
  ])('%s: the time of arrival stands in, and says so', ([, t, own]) => {
    const found = one('/v', { time: '/t', ...own }, { ...text(JSON.stringify({ t, v: 1 })), timeMs: 55 });
    expect(found).toMatchObject({
      value: 1,
      status: 'Uncertain',
      reason: expect.stringContaining('/t; the time of arrival stands in'),
      timeMs: 55,
    });
  });

  test.for<[string, string, Record<string, unknown>, string | undefined]>([
    [
      'a German date',
      '24.11.2026 13:00:00',
      {},
      '"24.11.2026 13:00:00" is no time at /t; the time of arrival stands in (timeFormat says how it is written)',
    ],
    ['no such day', '2026-02-30', {}, '"2026-02-30" is no time at /t; the time of arrival stands in'],
  ])('%s: what to do is said where it helps', ([, t, own, reason]) => {
    expect(one('/v', { time: '/t', ...own }, text(JSON.stringify({ t, v: 1 })))).toMatchObject({ reason });
    expect(one('/t', { type: 'datetime' }, text(JSON.stringify({ t })))).toMatchObject({
      reason: expect.stringMatching(t.startsWith('24') ? /not a point in time; timeFormat/ : /not a point in time$/),
    });
  });

  test('the hour that comes twice: the first, uncertain', () => {
    const found = one('/v', { time: '/t', timeZone: 'Europe/Berlin' }, text('{"v":1,"t":"2026-10-25 02:30:00"}'));
    expect(found).toMatchObject({ timeMs: Date.UTC(2026, 9, 25, 0, 30), status: 'Uncertain', reason: expect.stringContaining('twice') });
  });

  test('what the protocol carries, else arrival', () => {
    expect(one('/v', {}, { ...text('{"v":1}'), timeMs: 55 })?.timeMs).toBe(55);
    expect(one('/v', {}, text('{"v":1}'))?.timeMs).toBe(99);
  });

  test('in bytes', () => {
    const body = Buffer.from('6553f1000005', 'hex');
    expect(one('byte 4', { body: 'binary', type: 'uint16', time: 'byte 0', timeFormat: 'datetime-unix32' }, { body })).toMatchObject({
      value: 5,
      timeMs: 1_700_000_000_000,
    });
  });
});

describe('when', () => {
  test.for<[string, Record<string, unknown>, number]>([
    ['a property', { kind: 'temp' }, 1],
    ['another value', { kind: 'speed' }, 0],
    ['a list', { kind: ['speed', 'temp'] }, 1],
    ['all must match', { kind: 'temp', line: 7 }, 0],
    ['a number in a text property', { line: 5 }, 1],
    ['a boolean', { live: true }, 1],
    ['not there', { none: 'x' }, 0],
    ['a place in the body', { '/v': 1 }, 1],
    ['a bigint in the body', { '/v': 1n }, 1],
    ['another place', { '/v': 2 }, 0],
    ['an annotation', { 'annotation:a': 3 }, 1],
  ])('%s', ([, when, count]) => {
    const given = { ...text('{"v":1}'), properties: { kind: 'temp', line: '5', live: true }, annotations: { a: 3n } };
    expect(readAll('/v', { when }, given)).toHaveLength(count);
  });

  test('a message for others need not be readable', () => {
    expect(readAll('/v', { when: { kind: 'a' } }, { body: Buffer.from('garbage'), properties: { kind: 'b' } })).toEqual([]);
  });
});
