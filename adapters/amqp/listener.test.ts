import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SampleBatch } from '../../model/sample.ts';
import { capability, debianPython, titled } from '../../test/support/capabilities.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { type Child, startChild } from '../../test/support/child.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { startConveyor } from './simulators/conveyor.ts';
import { point } from './testcases/points.ts';
import { eventually, watch } from './testcases/watching.ts';

const proton = capability('proton');
const client = join(import.meta.dirname, 'testcases/proton_client.py');
const speed = point('speed', 'press/status', '/speed');

let port: number;
let folder: ReturnType<typeof tempFolder>;
const children: Child[] = [];
beforeEach(async () => {
  port = await freePort();
  folder = tempFolder();
});
afterEach(async () => {
  for (const child of children.splice(0)) await child[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const file = (name: string, content: string): string => {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
};
const send = (mode: string, options: Record<string, string>, address = 'press/status', scheme = 'amqp'): Child => {
  const words = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  const child = startChild(debianPython, [client, `${scheme}://localhost:${port}`, address, mode, ...words]);
  children.push(child);
  return child;
};
const listen = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  listen: { host: '127.0.0.1', port, users: { 'press-7': { env: 'PRESS' } }, ...more },
});
const secrets = { PRESS: 'gütig' };
const login = { user: 'press-7', password: 'gütig', mechs: 'PLAIN' };

describe.skipIf(!proton.ok)(titled('a machine written with Qpid Proton', proton), () => {
  test('logs in with a password; its messages are accepted when their readings are on disk', async () => {
    const held: SampleBatch[] = [];
    await using watching = await watch(listen(), { points: [speed], secrets, settle: (batch) => held.push(batch) });
    const machine = send('json', login);
    await watching.until((samples) => samples.length === 3);
    expect(machine.output()).not.toMatch(/accepted/);
    for (const batch of held) batch.acknowledge?.();
    await machine.exited;
    expect(machine.output().match(/^accepted/gm)).toHaveLength(3);
    expect(watching.samples.map(({ value }) => value)).toEqual([0, 1, 2]);
  });

  test('is told why a message was rejected', async () => {
    await using watching = await watch(listen(), { points: [speed], secrets });
    const machine = send('broken', login);
    await machine.exited;
    expect(machine.output()).toMatch(/^rejected 2 amqp:decode-error: .*JSON/m);
    expect(machine.output().match(/^accepted/gm)).toHaveLength(2);
    expect(watching.samples.map(({ value, status }) => value ?? status)).toEqual([0, 'BadDataEncodingInvalid', 2]);
  });

  test('sends every type exactly', async () => {
    const names = 'ulong small long decimal32 decimal64 decimal128 float double time uuid symbol char bytes int byte uint'.split(' ');
    const points = [
      ...names.map((name) => point(name, 'press/status', `/${name}`)),
      point('nested', 'press/status', '/nested/temps/1/value'),
      point('kind', 'press/status', 'property:kind'),
      point('count', 'press/status', 'property:count'),
      point('subject', 'press/status', 'property:subject'),
      point('line', 'press/status', 'annotation:x-opt-line'),
    ];
    await using watching = await watch(listen(), { points, secrets });
    send('types', login);
    await watching.until((samples) => samples.length === points.length);
    const seen = Object.fromEntries(watching.samples.map(({ point: name, value, reason }) => [name, value ?? reason]));
    expect(seen).toMatchObject({
      ulong: 18_446_744_073_709_551_615n,
      small: 7,
      long: -9_007_199_254_740_993n,
      decimal32: -0.5,
      decimal64: 12.3,
      decimal128: '1234567890123456789012345678901234',
      float: 231.7,
      double: 0.1,
      time: '2026-11-24T08:00:01.250Z',
      uuid: 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
      symbol: 'running',
      char: 'ä',
      int: -5,
      byte: -1,
      uint: 4_000_000_000,
      nested: 94.5,
      kind: 'odd',
      count: 9_007_199_254_740_993n,
      subject: 'types',
      line: 'l1',
    });
    expect(Buffer.from(seen.bytes as Uint8Array)).toEqual(Buffer.from([1, 2]));
  });

  test('with a wrong password is refused, and the log says who', async () => {
    const warned: object[] = [];
    const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warned.push(fields) };
    await using watching = await watch(listen(), { points: [speed], secrets, log });
    const machine = send('json', { ...login, password: 'wrong' });
    await machine.exited;
    expect(machine.output()).toMatch(/transport-error|disconnected/);
    expect(machine.output()).not.toMatch(/^open/m);
    expect(warned).toMatchObject([{ user: 'press-7', listen: `127.0.0.1:${port}` }]);
    expect(watching.connection.counters().refusedLogins).toBe(1);
  });

  test('without a login is refused unless the mapping lets it in', async () => {
    {
      const { log, warnings } = noting();
      await using _watching = await watch(listen(), { points: [speed], secrets, log });
      const machine = send('json', { mechs: 'ANONYMOUS' });
      await machine.exited;
      expect(machine.output()).not.toMatch(/^open/m);
      await eventually(() => warnings.length === 1);
      expect(warnings).toMatchObject([{ message: 'a machine left before it had logged in', hint: expect.stringContaining('SASL PLAIN') }]);
    }
    await using watching = await watch(listen({ users: {}, anonymous: true }), { points: [speed], secrets });
    const machine = send('json', { mechs: 'ANONYMOUS' });
    await machine.exited;
    expect(machine.output().match(/^accepted/gm)).toHaveLength(3);
    expect(watching.samples).toHaveLength(3);
  });

  test('that sends to an address of nobody is told so, and so is who reads the log', async () => {
    const { log, warnings } = noting();
    await using _watching = await watch(listen(), { points: [speed], secrets, log });
    const machine = send('json', login, 'press/nonsense');
    await machine.exited;
    expect(machine.output()).toMatch(/link-error amqp:not-found nobody here takes what is sent to "press\/nonsense"/);
    expect(warnings).toMatchObject([
      {
        address: 'press/nonsense',
        user: 'press-7',
        message: 'refused what a machine sends',
        hint: expect.stringContaining('listen.addresses'),
      },
    ]);
  });

  test('may send to further addresses that are listed; nothing is kept', async () => {
    await using watching = await watch(listen({ addresses: ['press/debug'] }), { points: [speed], secrets });
    const machine = send('json', login, 'press/debug');
    await machine.exited;
    expect(machine.output().match(/^accepted/gm)).toHaveLength(3);
    expect(watching.samples.filter(({ status }) => status === 'Good')).toEqual([]);
  });

  test('over TLS, with a password or its certificate', async () => {
    const ca = await makeCa();
    const [own, machineCertificate, stranger] = [
      await issue(ca, { commonName: 'localhost' }),
      await issue(ca, { commonName: 'press-7' }),
      await issue(await makeCa('another'), { commonName: 'press-7' }),
    ];
    const tls = { certificate: { env: 'CERTIFICATE' }, key: { env: 'KEY' }, ca: { env: 'CA' } };
    const all = { ...secrets, CERTIFICATE: own.certificate, KEY: own.privateKey, CA: ca.certificate };
    await using watching = await watch({ ...listen({ tls }), user: 'press-7' }, { points: [speed], secrets: all });
    const files = { ca: file('ca.pem', ca.certificate) };
    const pair = ({ certificate, privateKey }: typeof own, name: string) => ({
      certificate: file(`${name}.pem`, certificate),
      key: file(`${name}.key`, privateKey),
    });
    const byPassword = send('json', { ...login, ...files }, 'press/status', 'amqps');
    await byPassword.exited;
    expect(byPassword.output().match(/^accepted/gm)).toHaveLength(3);
    const byCertificate = send('json', { mechs: 'EXTERNAL', ...files, ...pair(machineCertificate, 'press') }, 'press/status', 'amqps');
    await byCertificate.exited;
    expect(byCertificate.output().match(/^accepted/gm)).toHaveLength(3);
    const byStrange = send('json', { mechs: 'EXTERNAL', ...files, ...pair(stranger, 'stranger') }, 'press/status', 'amqps');
    await byStrange.exited;
    expect(byStrange.output()).not.toMatch(/^open/m);
    expect(watching.samples).toHaveLength(6);
  });

  test('that is killed is bad at once; one that says goodbye is not', async () => {
    const held: SampleBatch[] = [];
    await using watching = await watch(listen(), { points: [speed], secrets, settle: (batch) => held.push(batch) });
    const machine = send('json', login);
    await watching.until((samples) => samples.length === 3);
    machine.process.kill('SIGKILL');
    await watching.until((samples) => samples.some(({ status }) => status === 'BadNoCommunication'));
    expect(watching.samples.at(-1)!.reason).toMatch(/lost press-7 at 127\.0\.0\.1:\d+: the connection was cut/);
    held.length = 0;
    const next = send('json', login);
    await watching.until((samples) => samples.filter(({ status }) => status === 'Good').length === 6);
    for (const batch of held) batch.acknowledge?.();
    await next.exited;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(watching.samples.at(-1)!.status).toBe('Good');
  });
});

function noting() {
  const warnings: object[] = [];
  const log = { debug() {}, info() {}, warn: (fields: object, message: string) => void warnings.push({ ...fields, message }), error() {} };
  return { log, warnings };
}

describe('several machines on one port', () => {
  test('are told apart by their users', async () => {
    const both = { users: { 'press-7': { env: 'PRESS' }, 'press-8': { env: 'EIGHT' } } };
    const all = { ...secrets, EIGHT: 'acht' };
    const conveyorPoint = point('speed', 'conveyor/status', '/belt/speed');
    await using seven = await watch({ ...listen(both), user: 'press-7' }, { points: [conveyorPoint], secrets: all, equipment: 'press-7' });
    await using eight = await watch({ ...listen(both), user: 'press-8' }, { points: [conveyorPoint], secrets: all, equipment: 'press-8' });
    await using _conveyor = await startConveyor({ port, user: 'press-8', password: 'acht', stepMs: 20 });
    await eight.until((samples) => samples.filter(({ status }) => status === 'Good').length > 5);
    expect(seven.samples.filter(({ status }) => status === 'Good')).toEqual([]);
  });

  test('must agree about the password of a user', async () => {
    await using _seven = await watch(listen(), { points: [speed], secrets });
    await expect(watch(listen(), { points: [speed], secrets: { PRESS: 'other' } })).rejects.toMatchObject({
      code: 'amqp-listen',
      retry: 'after-fix',
    });
  });

  test('and a port that somebody else holds is tried again', async () => {
    const { createServer } = await import('node:net');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    await expect(watch(listen(), { points: [speed], secrets })).rejects.toMatchObject({
      name: 'NotConnectedError',
      code: 'amqp-port-taken',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    await new Promise((resolve) => other.close(resolve));
    await using _watching = await watch(listen(), { points: [speed], secrets });
  });
});

describe('the simulated conveyor', () => {
  const points = [
    point('speed', 'conveyor/status', '/belt/speed', { time: '/time' }),
    point('pieces', 'conveyor/status', '/pieces', { type: 'uint64' }),
    point('jam', 'conveyor/alarms', 'property:active', { when: { 'property:alarm': 'jam' } }),
  ];

  test('sends by itself, jams, and comes back after the gateway was away', async () => {
    const told: string[] = [];
    await using conveyor = await startConveyor({
      port,
      user: 'press-7',
      password: 'gütig',
      stepMs: 20,
      faultEveryMs: 300,
      jamMs: 150,
      onFault: (text) => told.push(text),
    });
    {
      await using watching = await watch(listen(), { points, secrets });
      await watching.until((samples) => samples.some(({ point: name, value }) => name === 'jam' && value === true));
      await watching.until((samples) => samples.some(({ point: name, value }) => name === 'jam' && value === false));
      const pieces = watching.samples.filter(({ point: name }) => name === 'pieces');
      expect(pieces[0]!.value as bigint).toBeGreaterThan(9_007_199_254_740_992n);
      expect(told[0]).toMatch(/jam/);
    }
    await using again = await watch(listen(), { points, secrets });
    await again.until((samples) => samples.some(({ point: name, status }) => name === 'speed' && status === 'Good'));
    await eventually(() => conveyor.connected);
  });
});
