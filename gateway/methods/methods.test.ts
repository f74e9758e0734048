import { generateKeyPairSync, sign } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { GatewayError } from '../../model/error.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { createLog } from '../log.ts';
import { addDeviceMethods, type DeviceMethodsContext } from './device-methods.ts';
import { LogBook, LogLevelForAWhile } from './log-book.ts';
import { type Caller, MethodRefusal, Methods } from './methods.ts';
import type { HostUpdateState } from './update-host.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const caller: Caller = { who: 'hub', from: 'hub', requestId: '1' };

function rig(more: Partial<DeviceMethodsContext> = {}) {
  const methods = new Methods(silent);
  const lines: string[] = [];
  const logBook = new LogBook({ write: (line) => void lines.push(line) });
  const log = createLog('info', logBook);
  const updates: HostUpdateState[] = [];
  const context: DeviceMethodsContext = {
    identity: () => ({ gateway: 'gw-1', version: '0.1.0' }),
    restart: vi.fn(),
    readNow: async (equipment) => ({ readings: Object.fromEntries((equipment ?? ['a', 'b']).map((id) => [id, []])), errors: {} }),
    points: ({ equipment }) => ({ machines: (equipment ?? []).map((id) => ({ equipment: id, path: '', points: [] })) }),
    logBook,
    logLevel: new LogLevelForAWhile(log, 'info'),
    hostUpdate: undefined,
    onHostUpdate: (state) => updates.push(state),
    ...more,
  };
  addDeviceMethods(methods, context);
  return { methods, log, lines, updates, context, call: (name: string, payload?: unknown) => methods.call(name, payload, caller) };
}

test('every call is answered: unknown methods, wrong payloads, refusals, failures, defects', async () => {
  const { methods, call } = rig();
  methods.add({
    name: 'no',
    summary: '',
    input: z.unknown(),
    handle: () => Promise.reject(new MethodRefusal(409, 'busy', 'not now', { hint: 'later' })),
  });
  methods.add({
    name: 'fails',
    summary: '',
    input: z.unknown(),
    handle: () => Promise.reject(new GatewayError('disk', 'full', { retry: 'never' })),
  });
  methods.add({
    name: 'defect',
    summary: '',
    input: z.unknown(),
    handle() {
      throw new TypeError('x is undefined');
    },
  });
  expect(await call('nothing')).toMatchObject({ status: 404, payload: { error: 'method-unknown', hint: expect.stringContaining('ping') } });
  expect(await call('read', { equipment: 7 })).toMatchObject({ status: 400, payload: { error: 'method-input' } });
  expect(await call('logs', 'garbage')).toMatchObject({ status: 400 });
  expect(await call('no')).toEqual({ status: 409, payload: { error: 'busy', message: 'not now', hint: 'later' } });
  expect(await call('fails')).toMatchObject({ status: 500, payload: { error: 'disk', message: 'full' } });
  expect(await call('defect')).toMatchObject({ status: 500, payload: { error: 'method-failed' } });
  expect(await call('ping', null)).toMatchObject({ status: 200 });
});

test('says who it is, reads what is asked, restarts after the answer', async () => {
  vi.useFakeTimers();
  try {
    const { call, context } = rig();
    expect(await call('info')).toEqual({ status: 200, payload: { gateway: 'gw-1', version: '0.1.0' } });
    expect(await call('read', { equipment: 'a' })).toEqual({ status: 200, payload: { readings: { a: [] }, errors: {} } });
    expect(await call('read')).toEqual({ status: 200, payload: { readings: { a: [], b: [] }, errors: {} } });
    expect(await call('points', { equipment: 'a*' })).toMatchObject({ payload: { machines: [{ equipment: 'a*' }] } });
    expect(await call('restart')).toMatchObject({ status: 200 });
    expect(context.restart).not.toHaveBeenCalled();
    vi.advanceTimersByTime(500);
    expect(context.restart).toHaveBeenCalledOnce();
  } finally {
    vi.useRealTimers();
  }
});

test('the last log lines, oldest first, without secrets, within what a method may carry', async () => {
  const { call, log } = rig();
  log.info({ password: 'geheim', n: 0 }, 'login');
  for (let n = 1; n <= 1_200; n++) log.info({ n, pad: 'x'.repeat(300) }, 'tick');
  const two = await call('logs', { last: 2 });
  expect((two.payload as { lines: string[] }).lines.map((line) => (JSON.parse(line) as { n: number }).n)).toEqual([1_199, 1_200]);
  const all = JSON.stringify((await call('logs', { last: 1_000 })).payload);
  expect(all.length).toBeLessThan(128_000);
  const fresh = rig();
  fresh.log.info({ password: 'geheim' }, 'login');
  expect(JSON.stringify((await fresh.call('logs')).payload)).not.toContain('geheim');
});

test('a log level goes back by itself', async () => {
  vi.useFakeTimers();
  try {
    const { call, log } = rig();
    expect(await call('log-level', { level: 'debug', for: '1m' })).toMatchObject({ status: 200, payload: { level: 'debug' } });
    expect(log.level).toBe('debug');
    vi.advanceTimersByTime(60_001);
    expect(log.level).toBe('info');
    expect(await call('log-level', { level: 'loud' })).toMatchObject({ status: 400 });
  } finally {
    vi.useRealTimers();
  }
});

test('updates of the host run what was signed and nothing else, and say how far they are', async () => {
  using folder = tempFolder();
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const script = join(folder.path, 'update.sh');
  const body = '#!/bin/sh\necho "progress: 40 installing $UPDATE_VERSION"\necho for people\n';
  writeFileSync(script, body);
  chmodSync(script, 0o644);
  writeFileSync(join(folder.path, 'signer.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(`${script}.sig`, sign(undefined, Buffer.from(body), privateKey));
  const hostUpdate = { script, signer: join(folder.path, 'signer.pem'), timeoutMs: 10_000 };
  const { call, updates } = rig({ hostUpdate });
  expect(await call('update-host', { parameters: { version: '1.2' } })).toMatchObject({ status: 200 });
  await vi.waitFor(() => expect(updates.at(-1)).toMatchObject({ state: 'done', progress: 100, exitCode: 0, text: 'for people' }));
  expect(updates).toContainEqual(expect.objectContaining({ state: 'running', progress: 40, text: 'installing 1.2' }));
  writeFileSync(script, `${body}rm -rf /\n`);
  expect(await call('update-host')).toMatchObject({ status: 409, payload: { error: 'update-signature' } });
  expect(await rig().call('update-host')).toMatchObject({ status: 409, payload: { error: 'update-off' } });
});

test('a host update that fails or hangs says so', async () => {
  using folder = tempFolder();
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const at = (name: string): string => join(folder.path, name);
  writeFileSync(at('signer.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  for (const [name, body] of [
    ['fails.sh', 'echo no room; exit 3\n'],
    ['hangs.sh', 'exec sleep 60\n'],
  ] as const) {
    writeFileSync(at(name), body);
    writeFileSync(`${at(name)}.sig`, sign(undefined, Buffer.from(body), privateKey).toString('base64'));
  }
  const failing = rig({ hostUpdate: { script: at('fails.sh'), signer: at('signer.pem'), timeoutMs: 5_000 } });
  await failing.call('update-host');
  await vi.waitFor(() => expect(failing.updates.at(-1)).toMatchObject({ state: 'failed', exitCode: 3, text: 'no room' }));
  const hanging = rig({ hostUpdate: { script: at('hangs.sh'), signer: at('signer.pem'), timeoutMs: 200 } });
  await hanging.call('update-host');
  expect(await hanging.call('update-host')).toMatchObject({ status: 409, payload: { error: 'update-running' } });
  await vi.waitFor(() => expect(hanging.updates.at(-1)).toMatchObject({ state: 'failed', text: expect.stringContaining('SIGKILL') }));
});

test('what is logged with pino directly is kept as well', () => {
  const book = new LogBook({ write() {} });
  pino({ base: undefined }, book).info('hello');
  expect(book.last(1)[0]).toContain('hello');
});
