import { connect as connectTcp, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SampleBatch } from '../../model/sample.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/ports.ts';
import { rhea } from './library.ts';
import { type AmqpSimulator, startAmqpSimulator } from './simulator.ts';
import { point, settingsOf } from './testcases/points.ts';
import { eventually, watch } from './testcases/watching.ts';

let broker: AmqpSimulator;
beforeEach(async () => {
  broker = await startAmqpSimulator({ users: { gateway: 'pässword' } });
});
afterEach(() => broker.close());

const login = (): Record<string, unknown> => ({
  host: '127.0.0.1',
  port: broker.port,
  user: 'gateway',
  password: { env: 'BROKER' },
  timeout: '2s',
});
const secrets = { BROKER: 'pässword' };
const json = (value: unknown): object => ({ body: rhea.message.data_section(Buffer.from(JSON.stringify(value))) });
const speed = point('speed', '/queue/press', '/speed');

describe('a delivery', () => {
  test('is accepted when its readings are on disk, not before', async () => {
    const held: SampleBatch[] = [];
    await using watching = await watch(login(), { points: [speed], secrets, settle: (batch) => held.push(batch) });
    broker.put('/queue/press', json({ speed: 3 }));
    await watching.until((samples) => samples.some(({ value }) => value === 3));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(broker.outcomes).toEqual([]);
    expect(broker.unsettled('/queue/press')).toBe(1);
    held[0]!.acknowledge!();
    await eventually(() => broker.outcomes.length === 1);
    expect(broker.outcomes[0]).toMatchObject({ outcome: 'accepted' });
  });

  test('goes back when the disk did not take it, after a rest in which nothing new is asked for', async () => {
    let refusals = 0;
    await using watching = await watch(login(), {
      points: [speed],
      secrets,
      settle: (batch) => (refusals++ === 0 ? batch.refuse?.('disk full') : batch.acknowledge?.()),
    });
    const begunMs = performance.now();
    broker.put('/queue/press', json({ speed: 1 }));
    await eventually(() => broker.outcomes.length === 2, 4_000);
    expect(broker.outcomes.map(({ outcome }) => outcome)).toEqual(['released', 'accepted']);
    expect(performance.now() - begunMs).toBeGreaterThan(900);
    expect(watching.samples.map(({ value }) => value)).toEqual([1, 1]);
  });

  test('that cannot be read is rejected with the reason, once that is on disk, and holds up nothing', async () => {
    await using watching = await watch(login(), { points: [speed], secrets });
    broker.put('/queue/press', json({ speed: 1 }));
    broker.put('/queue/press', { body: rhea.message.data_section(Buffer.from('{"speed":')) });
    broker.put('/queue/press', Buffer.from([0x00, 0x53, 0x75, 0xb0, 0xff]));
    broker.put('/queue/press', json({ speed: 4 }));
    await eventually(() => broker.outcomes.length === 4);
    expect(broker.outcomes.toSorted((a, b) => a.tag - b.tag)).toMatchObject([
      { outcome: 'accepted' },
      { outcome: 'rejected', error: { condition: 'amqp:decode-error', description: expect.stringMatching(/JSON/) } },
      { outcome: 'rejected', error: { condition: 'amqp:decode-error', description: expect.stringMatching(/ends in the middle/) } },
      { outcome: 'accepted' },
    ]);
    expect(watching.samples.map(({ value, status }) => value ?? status)).toEqual([
      1,
      'BadDataEncodingInvalid',
      'BadDataEncodingInvalid',
      4,
    ]);
    expect(watching.samples[1]!.reason).toMatch(/JSON/);
  });

  test('that no point wants is accepted without a reading', async () => {
    const wanted = point('speed', '/queue/press', '/speed', { when: { kind: 'status' } });
    await using watching = await watch(login(), { points: [wanted], secrets });
    broker.put('/queue/press', { ...json({ speed: 1 }), application_properties: { kind: 'event' } });
    broker.put('/queue/press', { ...json({ speed: 2 }), application_properties: { kind: 'status' } });
    await eventually(() => broker.outcomes.length === 2);
    expect(watching.samples.map(({ value }) => value)).toEqual([2]);
    expect(broker.outcomes.every(({ outcome }) => outcome === 'accepted')).toBe(true);
  });

  test('feeds all points of its address', async () => {
    const points = [
      speed,
      point('batch', '/queue/press', '/batch', { type: 'uint64' }),
      point('kind', '/queue/press', 'property:kind'),
      point('key', '/queue/press', 'annotation:x-opt-partition-key'),
    ];
    await using watching = await watch(login(), { points, secrets });
    broker.put('/queue/press', {
      body: rhea.message.data_section(Buffer.from('{"speed":3.5,"batch":18446744073709551615}')),
      creation_time: new Date('2026-11-24T08:00:01.250Z'),
      application_properties: { kind: 'status' },
      message_annotations: { 'x-opt-partition-key': 'l1' },
    });
    await watching.until((samples) => samples.length === 4);
    expect(Object.fromEntries(watching.samples.map(({ point: name, value }) => [name, value]))).toEqual({
      speed: 3.5,
      batch: 18_446_744_073_709_551_615n,
      kind: 'status',
      key: 'l1',
    });
    expect(watching.samples[0]!.timeMs).toBe(Date.parse('2026-11-24T08:00:01.250Z'));
    expect(broker.links('/queue/press')).toBe(1);
  });
});

describe('many messages', () => {
  test('become few batches, are all accepted, and never more are under way than the credit', async () => {
    for (let n = 0; n < 3_000; n++) broker.put('/queue/press', json({ speed: n }));
    let most = 0;
    await using watching = await watch(
      { ...login(), credit: 200 },
      {
        points: [speed],
        secrets,
        settle: (batch) => {
          most = Math.max(most, broker.unsettled('/queue/press'));
          setTimeout(() => batch.acknowledge?.(), 2);
        },
      },
    );
    await eventually(() => broker.outcomes.length === 3_000, 10_000);
    expect(watching.samples.map(({ value }) => value)).toEqual(Array.from({ length: 3_000 }, (_, n) => n));
    expect(watching.batches.length).toBeLessThan(600);
    expect(most).toBeLessThanOrEqual(200);
  });

  test('of a megabyte are kept to a few at a time', async () => {
    const body = Buffer.from(JSON.stringify({ speed: 1, ballast: 'x'.repeat(2 ** 20) }));
    for (let n = 0; n < 100; n++) broker.put('/queue/press', { body: rhea.message.data_section(body) });
    const held: SampleBatch[] = [];
    await using watching = await watch(login(), { points: [speed], secrets, settle: (batch) => held.push(batch) });
    // The first credit is given before any size is known.
    await watching.until((samples) => samples.length >= 64, 10_000);
    for (const batch of held.splice(0)) batch.acknowledge?.();
    await watching.until((samples) => samples.length > 64, 10_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(broker.unsettled('/queue/press')).toBeLessThanOrEqual(17);
  }, 20_000);
});

describe('an address', () => {
  const bad = point('lost', '/queue/none', '/x');

  test.for(['link', 'session'] as const)('that the broker refuses by its %s never touches another', async (by) => {
    broker.refused.set('/queue/none', { condition: 'amqp:not-found', description: "no queue 'none'", by });
    await using watching = await watch(login(), { points: [speed, bad], secrets });
    broker.put('/queue/press', json({ speed: 1 }));
    await watching.until((samples) => samples.length === 2);
    expect(watching.samples.find(({ point: name }) => name === 'lost')).toMatchObject({
      status: 'BadNotFound',
      reason: expect.stringMatching(/127\.0\.0\.1:\d+ refuses \/queue\/none: amqp:not-found, no queue 'none'/),
    });
    broker.put('/queue/press', json({ speed: 2 }));
    await watching.until((samples) => samples.some(({ value }) => value === 2));
    expect(broker.connections).toBe(1);
  });

  test('that is refused is tried again by itself', async () => {
    broker.refused.set('/queue/none', { condition: 'amqp:not-found' });
    await using watching = await watch(login(), { points: [bad], secrets });
    await watching.until((samples) => samples.length === 1);
    broker.refused.clear();
    broker.put('/queue/none', json({ x: 7 }));
    await watching.until((samples) => samples.some(({ value }) => value === 7), 9_000);
  }, 12_000);

  test.for(['detach', 'endSession'] as const)(
    'whose link ends (%s) is bad with the reason, and comes back',
    { timeout: 14_000 },
    async (how) => {
      await using watching = await watch(login(), { points: [speed, point('other', '/queue/other', '/x')], secrets });
      broker.put('/queue/press', json({ speed: 1 }));
      await watching.until((samples) => samples.length === 1);
      broker[how]('/queue/press', { condition: 'amqp:resource-deleted', description: 'the queue was deleted' });
      await watching.until((samples) => samples.some(({ status }) => status === 'BadCommunicationError'));
      expect(watching.samples.at(-1)!.reason).toMatch(/the queue was deleted/);
      broker.put('/queue/other', json({ x: 2 }));
      await watching.until((samples) => samples.some(({ value }) => value === 2));
      broker.put('/queue/press', json({ speed: 3 }));
      await watching.until((samples) => samples.some(({ value }) => value === 3), 9_000);
    },
  );

  test('on which nothing comes says so, once', async () => {
    await using watching = await watch(login(), { points: [speed], secrets });
    await watching.until((samples) => samples.length === 1);
    expect(watching.samples[0]).toMatchObject({ status: 'BadWaitingForInitialData', reason: 'no message on /queue/press yet' });
    broker.put('/queue/press', json({ speed: 1 }));
    await watching.until((samples) => samples.some(({ value }) => value === 1));
  });

  test('a point whose filter lets nothing through says what it waits for, though messages come', async () => {
    const never = point('never', '/queue/press', '/speed', { when: { 'property:kind': 'stats' } });
    broker.put('/queue/press', json({ speed: 1 }));
    await using watching = await watch(login(), { points: [speed, never], secrets });
    const reason = 'no message on /queue/press yet that has property kind = "stats"';
    await watching.until((samples) => samples.some(({ status }) => status === 'BadWaitingForInitialData'));
    expect(watching.samples.at(-1)).toMatchObject({ reason });
  });
});

describe('several machines on one broker', () => {
  test('share the connection, and the messages of one queue reach them all', async () => {
    const only = (id: string) => [point('speed', '/queue/line', '/speed', { when: { '/machine': id } })];
    const held: SampleBatch[] = [];
    await using one = await watch(login(), { points: only('a'), secrets, equipment: 'a', stateFolder: '/tmp/dragoman-shared' });
    await using two = await watch(login(), {
      points: only('b'),
      secrets,
      equipment: 'b',
      stateFolder: '/tmp/dragoman-shared',
      settle: (batch) => held.push(batch),
    });
    await eventually(() => broker.links('/queue/line') === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    broker.put('/queue/line', json({ machine: 'a', speed: 1 }));
    broker.put('/queue/line', json({ machine: 'b', speed: 2 }));
    await one.until((samples) => samples.length === 1);
    await two.until((samples) => samples.length === 1);
    expect([one.samples[0]!.value, two.samples[0]!.value]).toEqual([1, 2]);
    expect(broker.connections).toBe(1);
    expect(broker.links('/queue/line')).toBe(1);
    // The second machine has not stored anything yet.
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(broker.unsettled('/queue/line')).toBeGreaterThan(0);
    for (const batch of held) batch.acknowledge?.();
    await eventually(() => broker.outcomes.length === 2);
    expect(broker.outcomes.every(({ outcome }) => outcome === 'accepted')).toBe(true);
  });

  test('go on when one of them leaves', async () => {
    await using one = await watch(login(), { points: [speed], secrets, equipment: 'a', stateFolder: '/tmp/dragoman-shared' });
    {
      await using _two = await watch(login(), { points: [speed], secrets, equipment: 'b', stateFolder: '/tmp/dragoman-shared' });
      await eventually(() => broker.links('/queue/press') === 1);
    }
    broker.put('/queue/press', json({ speed: 1 }));
    await one.until((samples) => samples.some(({ value }) => value === 1));
    await eventually(() => broker.outcomes.length === 1);
  });
});

describe('a reload', () => {
  test('keeps the link, loses no message, and asks no point to wait for its first one again', async () => {
    await using watching = await watch(login(), { points: [speed], secrets });
    broker.put('/queue/press', json({ speed: 1 }));
    await watching.until((samples) => samples.length === 1);
    for (let n = 2; n < 400; n++) broker.put('/queue/press', json({ speed: n }));
    await watching.observe([speed, point('batch', '/queue/press', '/batch')]);
    await eventually(() => broker.outcomes.length === 399);
    const speeds = new Set(watching.samples.filter(({ point: name }) => name === 'speed').map(({ value }) => value));
    expect(speeds.size).toBe(399);
    expect(broker.outcomes.every(({ outcome }) => outcome === 'accepted')).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    expect(watching.samples.filter(({ status }) => status === 'BadWaitingForInitialData')).toEqual([]);
  });
});

describe('the connection', () => {
  test.for([
    ['closed without a word of why', () => broker.closeConnections(), /lost/],
    [
      'closed with an error',
      () => broker.closeConnections({ condition: 'amqp:connection:forced', description: 'maintenance' }),
      /maintenance/,
    ],
    ['reset', () => broker.reset(), /lost/],
  ] as const)('%s ends the observation with a NotConnectedError', async ([, end, says]) => {
    await using watching = await watch(login(), { points: [speed], secrets });
    broker.put('/queue/press', json({ speed: 1 }));
    await watching.until((samples) => samples.length === 1);
    end();
    expect(await watching.ended).toMatchObject({ name: 'NotConnectedError', message: expect.stringMatching(says) });
  });

  test('that is half open is noticed within idleTimeout and a second', async () => {
    await using watching = await watch({ ...login(), idleTimeout: '1s' }, { points: [speed], secrets });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const frozenMs = performance.now();
    broker.freeze();
    expect(await watching.ended).toMatchObject({ name: 'NotConnectedError', message: expect.stringMatching(/silent for too long/) });
    expect(performance.now() - frozenMs).toBeLessThan(2_600);
  });

  test('messages that were under way come again on the next one', async () => {
    {
      await using watching = await watch(login(), { points: [speed], secrets, settle: () => {} });
      broker.put('/queue/press', json({ speed: 1 }));
      await watching.until((samples) => samples.length === 1);
      broker.reset();
      await watching.ended;
    }
    await using again = await watch(login(), { points: [speed], secrets });
    await again.until((samples) => samples.some(({ value }) => value === 1));
    await eventually(() => broker.outcomes.length === 1);
  });

  test('what is stored just after the machine was let go is still accepted', async () => {
    const held: SampleBatch[] = [];
    {
      await using watching = await watch(login(), { points: [speed], secrets, settle: (batch) => held.push(batch) });
      broker.put('/queue/press', json({ speed: 1 }));
      await watching.until((samples) => samples.length === 1);
    }
    held[0]!.acknowledge!();
    await eventually(() => broker.outcomes.length === 1);
    expect(broker.outcomes[0]).toMatchObject({ outcome: 'accepted' });
    await eventually(() => broker.connections === 0);
  });
});

describe('connecting', () => {
  const connect = (written: Record<string, unknown>, given = secrets) => watch(written, { points: [speed], secrets: given });

  test('a wrong password is for a person to correct', async () => {
    await expect(connect(login(), { BROKER: 'wrong' })).rejects.toMatchObject({
      code: 'amqp-login',
      retry: 'after-fix',
      message: expect.stringMatching(/127\.0\.0\.1:\d+ refuses user "gateway"/),
    });
  });

  test('a broker without our mechanism says which it has', async () => {
    await expect(connect({ host: '127.0.0.1', port: broker.port, timeout: '2s' })).rejects.toMatchObject({
      code: 'amqp-login',
      retry: 'after-fix',
      message: expect.stringMatching(/PLAIN/),
    });
  });

  test('nothing listens there', async () => {
    await expect(connect({ ...login(), port: await freePort() })).rejects.toMatchObject({
      name: 'NotConnectedError',
      code: 'amqp-refused',
    });
  });

  test('TLS towards a plain port', async () => {
    await expect(connect({ ...login(), tls: true })).rejects.toMatchObject({
      message: expect.stringMatching(/127\.0\.0\.1/),
      hint: expect.stringMatching(/TLS/),
    });
  });

  test.for([
    ['silent', '', 'amqp-timeout'],
    ['AMQP 0-9-1', 'AMQP\x00\x00\x09\x01', 'amqp-version'],
    ['a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'amqp-no-amqp'],
  ] as const)('%s', async ([, answer, code]) => {
    const server = createServer((socket) => void socket.on('error', () => {}).on('data', () => answer && socket.end(answer, 'latin1')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    try {
      await expect(connect({ ...login(), port, timeout: '300ms' })).rejects.toMatchObject({ code });
    } finally {
      server.close();
    }
  });

  test('is given up at once when the signal aborts', async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const stop = new AbortController();
    const { connectAmqp } = await import('./connection.ts');
    const context = { equipment: 'a', stateFolder: '/tmp/dragoman-shared', log: silent, secret: async () => 'x' };
    const connecting = connectAmqp(settingsOf({ ...login(), port, timeout: '30s' }), context, stop.signal);
    setTimeout(() => stop.abort(), 50);
    const begunMs = performance.now();
    await expect(connecting).rejects.toMatchObject({ name: 'NotConnectedError' });
    expect(performance.now() - begunMs).toBeLessThan(1_000);
    server.close();
  });
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };

test('read takes nothing away', async () => {
  const points = [speed, point('batch', '/queue/press', '/batch'), point('none', '/queue/empty', '/x')];
  broker.put('/queue/press', json({ speed: 1 }));
  broker.put('/queue/press', json({ speed: 2, batch: 7 }));
  await using watching = await watch({ ...login(), timeout: '1s' }, { points: [], secrets });
  const [batch] = await watching.connection.read(points, new AbortController().signal);
  expect(Array.from(batch!.values)).toEqual([1, 7, undefined]);
  expect(batch!.states?.[2]).toMatchObject({ reason: 'no message on /queue/empty within 1s' });
  await eventually(() => broker.waiting('/queue/press') === 2);
  expect(new Set(broker.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['released']));
});

describe('over TLS', () => {
  /** The simulator behind a TLS server of its own. */
  async function wrapped(options: object): Promise<{ readonly port: number; close(): void }> {
    const server = createTlsServer(options, (socket) => {
      const inner = connectTcp(broker.port, '127.0.0.1');
      socket.on('error', () => inner.destroy()).on('close', () => inner.destroy());
      inner.on('error', () => socket.destroy()).on('close', () => socket.destroy());
      socket.pipe(inner).pipe(socket);
    });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { port: (server.address() as { port: number }).port, close: () => void server.close() };
  }

  test('trusts the authority that it is told, and says what is wrong otherwise', async () => {
    const ca = await makeCa();
    const { certificate, privateKey } = await issue(ca, { commonName: 'localhost' });
    const elsewhere = await issue(ca, { commonName: 'elsewhere', dns: ['elsewhere'] });
    const expired = await issue(ca, { commonName: 'localhost', notAfter: new Date(Date.now() - 1_000) });
    const pem = { ...secrets, CA: ca.certificate };
    const server = await wrapped({ cert: certificate, key: privateKey });
    const tls = { ca: { env: 'CA' } };
    const at = (port: number, more: object = tls): Record<string, unknown> => ({ ...login(), host: 'localhost', port, tls: more });
    {
      await using watching = await watch(at(server.port), { points: [speed], secrets: pem });
      broker.put('/queue/press', json({ speed: 1 }));
      await watching.until((samples) => samples.some(({ value }) => value === 1));
    }
    const fails = (written: Record<string, unknown>) => expect(watch(written, { points: [speed], secrets: pem })).rejects;
    await fails(at(server.port, {})).toMatchObject({
      code: 'amqp-tls-untrusted',
      retry: 'after-fix',
      hint: expect.stringMatching(/tls\.ca/),
    });
    await fails(at(server.port, { ca: { env: 'BROKER' } })).toMatchObject({ retry: 'after-fix' });
    const others = await wrapped({ cert: elsewhere.certificate, key: elsewhere.privateKey });
    await fails(at(others.port)).toMatchObject({ code: 'amqp-tls-name', retry: 'after-fix', message: expect.stringMatching(/elsewhere/) });
    {
      await using _named = await watch(at(others.port, { ...tls, servername: 'elsewhere' }), { points: [speed], secrets: pem });
    }
    const old = await wrapped({ cert: expired.certificate, key: expired.privateKey });
    await fails(at(old.port)).toMatchObject({ code: 'amqp-tls-expired', retry: 'after-fix' });
    for (const each of [server, others, old]) each.close();
  });
});
