import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NotConnectedError } from '../../model/error.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/ports.ts';
import { type HttpSimulator, type PageManners, startHttpSimulator } from './simulator.ts';
import { observed } from './testcases/points.ts';
import { connected, observeUntil, readOne, sampleOf } from './testcases/watch.ts';

let machine: HttpSimulator;
beforeEach(async () => {
  machine = await startHttpSimulator();
});
afterEach(() => machine[Symbol.asyncDispose]());

const value = observed('v', '/v', '/v');

describe('what a page can hold', () => {
  test.for<[string, unknown, PageManners, string | undefined, Record<string, unknown>, unknown]>([
    ['JSON', { v: 12.5 }, {}, '/v', {}, 12.5],
    ['gzip', { v: 12.5 }, { gzip: true }, '/v', {}, 12.5],
    ['chunked', { v: 12.5 }, { chunked: true }, '/v', {}, 12.5],
    ['both', { v: 12.5 }, { gzip: true, chunked: true }, '/v', {}, 12.5],
    ['XML', '<status><v>12.5</v></status>', {}, '/status/v', { body: 'xml' }, 12.5],
    ['CSV', 'a;v\n1;12,5', {}, 'column:v', { body: 'csv', decimal: ',' }, 12.5],
    ['text', 'S S   12.5 g\r\n', {}, undefined, { body: 'text', match: '([0-9.]+) g' }, 12.5],
    ['bytes', Buffer.from('42f6e979', 'hex'), {}, 'byte 0', { body: 'binary', type: 'float32' }, 123.456],
    ['a header', '', { headers: { 'X-Count': '7' } }, 'property:x-count', { type: 'uint8' }, 7],
  ])('%s', async ([, body, manners, at, own, expected]) => {
    machine.set('/v', body, manners);
    await using connection = await connected(machine.url);
    expect(await readOne(connection, observed('v', '/v', at, own))).toEqual({ value: expected, status: 'Good', reason: '' });
  });

  test('a header that is a date is a source time', async () => {
    machine.set('/v', { v: 1 }, { headers: { 'last-modified': 'Tue, 24 Nov 2026 08:00:00 GMT' } });
    await using connection = await connected(machine.url);
    const [batch] = await connection.read([observed('v', '/v', '/v', { time: 'property:Last-Modified' })], new AbortController().signal);
    expect(batch?.sourceTimesMs?.[0]).toBe(Date.UTC(2026, 10, 24, 8));
  });

  test('that says nothing about a point: it says once what it waits for, and is good when that comes', async () => {
    machine.set('/v', { v: 1, kind: 'a' });
    await using connection = await connected(machine.url);
    const points = [observed('v', '/v', '/v', { when: { '/kind': 'b' } }), observed('w', '/v', '/w', { missing: 'keep' })];
    const left = new AbortController();
    const seen: unknown[] = [];
    for await (const { points: indexes, values, states } of connection.observe(points, left.signal)) {
      Array.from(indexes).forEach((index, k) => void seen.push([index, values[k] ?? states?.[k]?.reason]));
      if (seen.length === 2) machine.set('/v', { v: 2, kind: 'b', w: 3 });
      if (seen.length >= 4) break;
    }
    const url = `${machine.url}/v`;
    expect(seen).toEqual([
      [0, `no answer of ${url} yet that has /kind = "b"`],
      [1, `no answer of ${url} yet that has /w`],
      [0, 2],
      [1, 3],
    ]);
  });

  test('the base keeps its path, a path its query', async () => {
    machine.set('/api/v?unit=1', { v: 5 });
    machine.set('/api', { v: 6 });
    await using connection = await connected(`${machine.url}/api`);
    expect((await readOne(connection, observed('v', '/v?unit=1', '/v'))).value).toBe(5);
    expect((await readOne(connection, observed('v', '', '/v'))).value).toBe(6);
  });
});

describe('what goes wrong with a page is a bad sample that says what to do', () => {
  test.for<[string, PageManners, string, RegExp]>([
    ['400', { status: 400 }, 'BadConfigurationError', /GET http:.*\/v: 400 Bad Request; check path/],
    ['401', { status: 401 }, 'BadUserAccessDenied', /401 .*check user and password/],
    ['403', { status: 403 }, 'BadUserAccessDenied', /403/],
    ['404', { status: 404 }, 'BadNotFound', /check path/],
    ['429', { status: 429, headers: { 'retry-after': '30' } }, 'BadOutOfService', /raise every; it asks to wait 30 s/],
    ['500', { status: 500 }, 'BadDeviceFailure', /log of the machine/],
    ['503', { status: 503 }, 'BadOutOfService', /maintenance/],
    ['504', { status: 504 }, 'BadTimeout', /504/],
    ['599', { status: 599 }, 'BadDeviceFailure', /599/],
    ['204', { status: 204 }, 'BadNoData', /no value now/],
    ['304 unasked', { status: 304 }, 'BadInternalError', /304/],
    ['302 without a place', { status: 302 }, 'BadConfigurationError', /redirect/],
    ['a dropped connection', { fault: 'drop' }, 'BadCommunicationError', /broke before the answer/],
    ['no HTTP at all', { raw: 'hello\r\n\r\n' }, 'BadCommunicationError', /is not HTTP/],
    ['a length that promises too much', { lengthLie: 5 }, 'BadCommunicationError', /ended after 10 of 15 bytes/],
    ['a length that cuts', { lengthLie: -3 }, 'BadCommunicationError', /longer than it announced/],
    ['a packing that was not asked for', { headers: { 'content-encoding': 'zstd' } }, 'BadDataEncodingInvalid', /packed as zstd/],
    ['a packing that is none', { headers: { 'content-encoding': 'gzip' } }, 'BadDataEncodingInvalid', /cannot be unpacked/],
  ])('%s', async ([, manners, status, reason]) => {
    machine.set('/v', '{"v":12.5}', manners);
    machine.set('/w', { v: 1 });
    await using connection = await connected(machine.url);
    const found = await readOne(connection, value);
    expect(found).toMatchObject({ value: undefined, status });
    expect(found.reason).toMatch(reason);
    // Whatever happened to that connection, the next page is read.
    expect((await readOne(connection, observed('w', '/w', '/v'))).value).toBe(1);
  });

  test.for(['hang', 'stall'] as const)('an answer that does not come in time: %s', async (fault) => {
    machine.set('/v', '{"v":12.5}', { fault });
    await using connection = await connected(machine.url, { timeout: '150ms' });
    const found = await readOne(connection, value);
    expect(found).toMatchObject({ status: 'BadTimeout' });
    expect(found.reason).toMatch(fault === 'hang' ? /no answer within 150 ms; raise timeout/ : /not complete within 150 ms/);
    expect(connection.counters().timeouts).toBe(1);
  });

  test.for<[string, string, PageManners]>([
    ['announced', `"${'x'.repeat(2000)}"`, {}],
    ['chunked', `"${'x'.repeat(2000)}"`, { chunked: true }],
    ['unpacked', `"${'x'.repeat(1_000_000)}"`, { gzip: true }],
  ])('longer than maxBody: %s', async ([, body, manners]) => {
    machine.set('/v', body, manners);
    await using connection = await connected(machine.url, { maxBody: '1kB' });
    expect((await readOne(connection, value)).reason).toMatch(/longer than 1000 bytes; raise maxBody/);
  });

  test('a body that is not what the mapping says', async () => {
    machine.set('/v', '<html>Login</html>');
    await using connection = await connected(machine.url);
    expect(await readOne(connection, value)).toMatchObject({
      status: 'BadDataEncodingInvalid',
      reason: expect.stringMatching(/\/v: not JSON: "<" .* at byte 0/),
    });
  });
});

describe('polling', () => {
  test('points of one path and interval share one request, of another interval not', async () => {
    machine.set('/v', { v: 1, w: 2 });
    await using connection = await connected(machine.url);
    const points = [value, observed('w', '/v', '/w'), observed('slow', '/v', '/v', {}, 60_000)];
    const batches = await connection.read(points, new AbortController().signal);
    expect(batches.map((batch) => Array.from(batch.points))).toEqual([[0, 1], [2]]);
    expect(machine.page('/v').requests).toBe(2);
  });

  test('two intervals of one path do not overlap either', async () => {
    machine.set('/v', { v: 1 }, { delayMs: 30 });
    await using connection = await connected(machine.url);
    let slow = 0;
    await observeUntil(
      connection,
      [value, observed('slow', '/v', '/v', {}, 70)],
      (batch) => sampleOf(batch, 1) !== undefined && ++slow === 3,
    );
    expect(machine.page('/v').mostUnderWay).toBe(1);
  });

  test('the page is told what is wanted, unless the settings say it', async () => {
    machine.set('/v', { v: 1 });
    await using connection = await connected(machine.url);
    await readOne(connection, value);
    expect(machine.lastHeaders('/v').accept).toBe('application/json, */*;q=0.1');
    await using other = await connected(machine.url, { headers: { Accept: 'application/vnd.press+json' } });
    await readOne(other, value);
    expect(machine.lastHeaders('/v').accept).toBe('application/vnd.press+json');
  });

  test('an unchanged page proves its points; a changed one is read', async () => {
    machine.set('/v', { v: 1 }, { validators: true });
    await using connection = await connected(machine.url);
    let verified = 0;
    const batches = await observeUntil(connection, [value, observed('w', '/v', '/v')], (batch) => {
      if (batch.verified && ++verified === 2) machine.set('/v', { v: 2 }, { validators: true });
      return sampleOf(batch, 0)?.value === 2;
    });
    expect(Array.from(batches.find((batch) => batch.verified)?.verified ?? [])).toEqual([0, 1]);
    expect(batches.filter((batch) => batch.points.length > 0)).toHaveLength(2);
    expect(machine.page('/v').notModified).toBeGreaterThanOrEqual(2);
  });

  test('after a failure a whole answer is wanted', async () => {
    machine.set('/v', { v: 1 }, { validators: true });
    await using connection = await connected(machine.url);
    const found: string[] = [];
    await observeUntil(connection, [value], (batch) => {
      const kind = batch.verified ? 'verified' : (sampleOf(batch, 0)?.status ?? '');
      if (found.at(-1) !== kind) found.push(kind);
      if (kind === 'verified' && found.length === 2) machine.set('/v', { v: 1 }, { status: 500 });
      if (kind === 'BadDeviceFailure') machine.set('/v', { v: 1 }, { validators: true });
      return found.length === 4;
    });
    expect(found).toEqual(['Good', 'verified', 'BadDeviceFailure', 'Good']);
  });

  test('a slow page never overlaps with itself and does not slow its neighbours', async () => {
    machine.set('/v', { v: 1 }, { delayMs: 200 });
    machine.set('/w', { v: 1 });
    await using connection = await connected(machine.url);
    let slow = 0;
    const batches = await observeUntil(
      connection,
      [value, observed('w', '/w', '/v')],
      (batch) => sampleOf(batch, 0) !== undefined && ++slow === 3,
    );
    expect(machine.page('/v').mostUnderWay).toBe(1);
    expect(batches.filter((batch) => sampleOf(batch, 1)).length).toBeGreaterThanOrEqual(6);
    expect(connection.counters().latePolls).toBeGreaterThan(0);
  });

  test('a page that fails is left alone for longer; Retry-After is kept; neighbours go on', async () => {
    machine.set('/v', { v: 1 }, { status: 503, headers: { 'retry-after': '3600' } });
    machine.set('/w', { v: 1 });
    await using connection = await connected(machine.url);
    let good = 0;
    await observeUntil(connection, [value, observed('w', '/w', '/v')], (batch) => sampleOf(batch, 1) !== undefined && ++good === 8);
    expect(machine.page('/v').requests).toBe(1);
    expect(machine.page('/w').requests).toBeGreaterThanOrEqual(8);
  });

  test('one connection is enough for a page, and a closed one is opened again unnoticed', async () => {
    machine.set('/v', { v: 1 });
    await using connection = await connected(machine.url);
    const before = machine.connections().total;
    let answers = 0;
    const batches = await observeUntil(connection, [value], () => {
      if (++answers === 5) machine.dropConnections();
      return answers === 10;
    });
    expect(batches.every((batch) => sampleOf(batch, 0)?.status === 'Good')).toBe(true);
    expect(machine.connections().total - before).toBe(2);
  });

  test('no more connections than are allowed', async () => {
    const points = Array.from({ length: 8 }, (_, i) => observed(`v${i}`, `/v${i}`, '/v'));
    for (let i = 0; i < 8; i++) machine.set(`/v${i}`, { v: i }, { delayMs: 30 });
    await using connection = await connected(machine.url, { maxConnections: 2, timeout: '100ms' });
    const before = machine.connections().total;
    const batches = await connection.read(points, new AbortController().signal);
    expect(batches.map((batch) => batch.values[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(machine.connections().total - before).toBe(2);
  });
});

describe('credentials and redirects', () => {
  const secrets = { pw: 's3cret', key: 'abc' };

  test.for<[string, object, string]>([
    ['user and password', { user: 'op', password: { file: 'pw' } }, `Basic ${Buffer.from('op:s3cret').toString('base64')}`],
    ['token', { token: { env: 'key' } }, 'Bearer abc'],
    ['a header of its own', { headers: { Authorization: { file: 'key' } } }, 'abc'],
  ])('%s', async ([, over, authorization]) => {
    await using guarded = await startHttpSimulator({ authorization });
    guarded.set('/v', { v: 1 });
    await using connection = await connected(guarded.url, over, secrets);
    expect((await readOne(connection, value)).value).toBe(1);
    await using stranger = await connected(guarded.url);
    expect(await readOne(stranger, value)).toMatchObject({ status: 'BadUserAccessDenied' });
  });

  test('a redirect to the same machine keeps them, one to another host does not', async () => {
    await using other = await startHttpSimulator();
    machine.set('/v', '', { status: 302, headers: { location: '/w' } });
    machine.set('/w', '', { status: 307, headers: { location: `${other.url}/x` } });
    other.set('/x', { v: 3 });
    await using connection = await connected(machine.url, { token: { file: 'key' }, headers: { 'x-api-key': { file: 'key' } } }, secrets);
    expect((await readOne(connection, value)).value).toBe(3);
    expect(machine.lastHeaders('/w')).toMatchObject({ authorization: 'Bearer abc', 'x-api-key': 'abc' });
    expect(other.lastHeaders('/x')).not.toHaveProperty('authorization');
    expect(other.lastHeaders('/x')).not.toHaveProperty('x-api-key');
  });

  test('a redirect to a host that is away concerns its page alone', async () => {
    machine.set('/v', '', { status: 302, headers: { location: `http://127.0.0.1:${await freePort()}/` } });
    machine.set('/w', { v: 1 });
    await using connection = await connected(machine.url);
    expect(await readOne(connection, value)).toMatchObject({
      status: 'BadNoCommunication',
      reason: expect.stringMatching(/redirected to .*nothing listens/),
    });
    expect((await readOne(connection, observed('w', '/w', '/v'))).value).toBe(1);
  });

  test('redirects in a circle end', async () => {
    machine.set('/v', '', { status: 302, headers: { location: '/v' } });
    await using connection = await connected(machine.url);
    expect((await readOne(connection, value)).reason).toMatch(/more than 5 redirects/);
    expect(machine.page('/v').requests).toBe(6);
  });

  test('a secret that no header can carry', async () => {
    await expect(connected(machine.url, { token: { file: 'pw' } }, { pw: 'a\nb' })).rejects.toMatchObject({
      code: 'http-secret',
      retry: 'after-fix',
    });
  });
});

describe('the way to the machine', () => {
  test('nothing listens', async () => {
    const port = await freePort();
    await expect(connected(`http://127.0.0.1:${port}`)).rejects.toMatchObject({
      message: `no connection to 127.0.0.1:${port}: nothing listens there (ECONNREFUSED)`,
      hint: expect.stringMatching(/host and port/),
      retry: 'with-backoff',
    });
  });

  test('an unknown name', async () => {
    await expect(connected('http://no-such-host.invalid')).rejects.toMatchObject({ message: expect.stringMatching(/name/) });
  });

  test('a machine that leaves while a page is under way', async () => {
    machine.set('/v', { v: 1 }, { delayMs: 10_000 });
    machine.set('/w', { v: 1 });
    await using connection = await connected(machine.url);
    let cut: Promise<void> | undefined;
    const watching = observeUntil(connection, [value, observed('w', '/w', '/v')], () => {
      cut ??= machine.cut();
      return false;
    });
    await expect(watching).rejects.toBeInstanceOf(NotConnectedError);
    await cut;
  });

  test('TLS: trusted with its authority, named when not, or for another name, or expired, or none', async () => {
    const ca = await makeCa();
    const good = await issue(ca, { commonName: 'press' });
    const named = await issue(ca, { commonName: 'press', dns: ['press.plant'], ip: ['10.1.2.3'] });
    const old = await issue(ca, { commonName: 'press', notAfter: new Date(Date.now() - 1000) });
    const serve = ({ certificate, privateKey }: typeof good) => startHttpSimulator({ tls: { cert: certificate, key: privateKey } });
    await using secure = await serve(good);
    await using foreign = await serve(named);
    await using expired = await serve(old);
    const trust = [{ ca: { file: 'ca' } }, { ca: ca.certificate }] as const;
    secure.set('/v', { v: 1 });
    await using connection = await connected(secure.url, ...trust);
    expect((await readOne(connection, value)).value).toBe(1);
    await expect(connected(secure.url)).rejects.toMatchObject({
      code: 'http-tls',
      retry: 'after-fix',
      message: expect.stringMatching(/unknown authority/),
      hint: expect.stringMatching(/ca:/),
    });
    await expect(connected(foreign.url, ...trust)).rejects.toMatchObject({ message: expect.stringMatching(/another name/) });
    await expect(connected(expired.url, ...trust)).rejects.toMatchObject({
      message: expect.stringMatching(/expired/),
      hint: expect.stringMatching(/clock/),
    });
    await expect(connected(machine.url.replace('http', 'https'))).rejects.toMatchObject({
      message: expect.stringMatching(/does not speak TLS/),
    });
  });

  test('plain HTTP to a port that wants TLS is a bad sample that says so', async () => {
    const ca = await makeCa();
    const { certificate, privateKey } = await issue(ca, { commonName: 'press' });
    await using secure = await startHttpSimulator({ tls: { cert: certificate, key: privateKey } });
    await using connection = await connected(secure.url.replace('https', 'http'));
    expect(await readOne(connection, value)).toMatchObject({ status: 'BadCommunicationError' });
  });
});
