import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { debianPython } from '../../../test/support/capabilities.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { FakeBox } from '../testing/fake-box.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { manifestOf, openRig, type Rig, spec } from '../testing/rig.ts';
import { readMoment } from './log-time.ts';
import type { AgentAnswer } from './methods.ts';
import { zipOf } from './zip.ts';

let folder: ReturnType<typeof tempFolder>;
let clock: ManualClock;
let box: FakeBox;
let rig: Rig;

const lines = [
  '<6> 2026-11-24 07:00:00.000 +00:00 started',
  '<3> 2026-11-24 07:00:01.000 +00:00 valve stuck',
  'plain words',
  '<7> details',
];

beforeEach(async () => {
  folder = tempFolder();
  clock = new ManualClock();
  box = new FakeBox(clock);
  box.behaviours.set('candyco/score:1', { logs: lines });
  box.behaviours.set('candyco/scale:1', { logs: ['scale runs'] });
  rig = await openRig(folder.path, box, clock, {
    identity: () => ({ deviceId: 'gw-1', hub: 'plant.azure-devices.net' }),
    async *ownLogs(name) {
      yield { time: new Date(clock.now()).toISOString(), stream: 'stderr', text: `${name} says hello` };
    },
    bundleFiles: async () => new Map([['config.yaml', 'gateway: gw-1\n']]),
  });
  await clock.until(rig.agent.apply(manifestOf(spec('score', { env: { PASSWORD: 'hunter2' } }), spec('scale')), 1, 'hub'));
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const call = (name: string, payload: unknown): Promise<AgentAnswer> => rig.agent.methods.call(name, payload, 'hub');
const logs = async (items: unknown, more: object = {}): Promise<AgentAnswer> =>
  call('GetModuleLogs', { schemaVersion: '1.0', items, ...more });
const textOf = ({ payload }: AgentAnswer): string => (payload as { payload: string }[])[0]!.payload;

test('ping answers null, in any case, and a method that is not there is 400', async () => {
  expect(await call('PiNg', { any: 'thing' })).toEqual({ status: 200, payload: null });
  expect(await call('toString', {})).toMatchObject({ status: 400, payload: { message: expect.stringContaining('GetModuleLogs') } });
});

describe('RestartModule', () => {
  test('stops and starts it', async () => {
    const before = box.calls.length;
    expect(await clock.until(call('RestartModule', { schemaVersion: '1.0', id: 'score' }))).toEqual({ status: 200, payload: null });
    expect(box.calls.slice(before).filter((one) => /^(stop|start)/.test(one))).toEqual(['stop score', 'start score']);
    expect(rig.acts.at(-1)).toMatchObject({ action: 'restart by hand', target: 'score', outcome: 'done' });
  });

  test('of one that is not there names those that are', async () => {
    expect(await call('RestartModule', { schemaVersion: '1.0', id: 'skore' })).toMatchObject({
      status: 400,
      payload: { message: expect.stringMatching(/no module "skore"; there are scale, score|score, scale/) },
    });
    expect(await call('RestartModule', {})).toMatchObject({
      status: 400,
      payload: { message: expect.stringMatching(/schemaVersion.*id/s) },
    });
  });

  test('without an engine is 500', async () => {
    box.engineDies();
    await clock.pass(10);
    expect(await clock.until(call('RestartModule', { schemaVersion: '1.0', id: 'score' }))).toMatchObject({
      status: 500,
      payload: { message: 'no engine answers at fake' },
    });
  });
});

describe('GetModuleLogs', () => {
  test('of one, of a pattern, of all, the gateway among them', async () => {
    expect(await logs({ id: 'score' })).toEqual({ status: 200, payload: [{ id: 'score', payload: `${lines.join('\n')}\n` }] });
    const ids = async (id: string) => ((await logs([{ id }])).payload as { id: string }[]).map((one) => one.id).sort();
    expect(await ids('^sc')).toEqual(['scale', 'score']);
    expect(await ids('all')).toEqual(['edgeAgent', 'edgeHub', 'scale', 'score']);
    expect(textOf(await logs({ id: 'edgeAgent' }))).toBe('edgeAgent says hello\n');
    expect(await logs({ id: 'nobody' })).toMatchObject({
      status: 400,
      payload: { message: expect.stringContaining('edgeAgent, edgeHub') },
    });
  });

  test.for([
    { filter: { loglevel: 3 }, left: [1] },
    { filter: { loglevel: 6 }, left: [0, 1, 2] },
    { filter: { tail: 2 }, left: [2, 3] },
    { filter: { tail: 0 }, left: [] },
    { filter: { regex: 'valve|words' }, left: [1, 2] },
    { filter: { tail: 3, loglevel: 6, regex: 'stuck' }, left: [1] },
    { filter: { since: '1h', until: null }, left: [0, 1, 2, 3] },
  ])('keeps of $filter the lines $left', async ({ filter, left }) => {
    expect(textOf(await logs({ id: 'score', filter }))).toBe(left.map((index) => `${lines[index]}\n`).join(''));
  });

  test('as JSON and compressed', async () => {
    const [answer] = (await logs({ id: 'score' }, { encoding: 'gzip', contentType: 'json' })).payload as [{ payloadBytes: string }];
    expect(JSON.parse(gunzipSync(Buffer.from(answer.payloadBytes, 'base64')).toString())[1]).toEqual({
      ...{ iothub: 'plant.azure-devices.net', device: 'gw-1', id: 'score', stream: 'stdout', loglevel: 3 },
      ...{ text: 'valve stuck', timestamp: '2026-11-24T07:00:01.000Z' },
    });
  });

  test('that are too long for an answer are refused with a way out', async () => {
    box.behaviours.set('candyco/score:1', { logs: Array.from({ length: 2_000 }, (_, n) => `${n} ${'x'.repeat(100)}`) });
    expect(await logs({ id: 'score' })).toMatchObject({ status: 400, payload: { message: expect.stringContaining('UploadModuleLogs') } });
    expect((await logs({ id: 'score' }, { encoding: 'gzip' })).status).toBe(200);
  });

  test('with a pattern that would take for ever are refused in time', async () => {
    box.behaviours.set('candyco/score:1', { logs: [`${'a'.repeat(40)}b`] });
    expect(await logs({ id: 'score', filter: { regex: '(a+)+$' } })).toMatchObject({
      status: 400,
      payload: { message: expect.stringContaining('too long') },
    });
  });

  test.for([
    { items: { id: '(' }, says: /^id: / },
    { items: { id: 'score', filter: { since: 'yesterday' } }, says: /^since: "yesterday" is no time/ },
    { items: { id: 'score', filter: { tail: -1 } }, says: /tail/ },
    { items: [], says: /items/ },
  ])('refuses $items', async ({ items, says }) => {
    expect(await logs(items)).toMatchObject({ status: 400, payload: { message: expect.stringMatching(says) } });
  });

  test('have the last lines of a version that was taken back', async () => {
    box.behaviours.set('candyco/score:2', { exits: 1, logs: ['no model found'] });
    await clock.until(rig.agent.apply(manifestOf(spec('score', { image: 'candyco/score:2' }), spec('scale')), 2, 'hub'));
    const taken =
      /^--- candyco\/score:2 was taken back at \d{4}-[\d-]+T[\d:.]+Z: .*did not come up.*; its last lines ---\nno model found\n/;
    const now = '--- candyco/score:1, which runs in its place ---\n<6>';
    const all = textOf(await logs({ id: 'score' }));
    expect(all).toMatch(taken);
    expect(all).toContain(`no model found\n${now}`);
    // However long the log of the one that runs is; the last lines are counted for each.
    expect(textOf(await logs({ id: 'score', filter: { tail: 1 } }))).toMatch(taken);
    expect(textOf(await logs({ id: 'score', filter: { tail: 1 } })).split('\n')).toHaveLength(5);
    expect(textOf(await logs({ id: 'score', filter: { tail: 0 } }))).toBe('');
    // Only what the filters leave, and headings only where something is left.
    expect(textOf(await logs({ id: 'score', filter: { regex: 'no model' } })).split('\n')).toHaveLength(3);
    expect(textOf(await logs({ id: 'score', filter: { regex: 'nowhere' } }))).toBe('');
    expect(textOf(await logs({ id: 'score', filter: { since: clock.now() / 1000 + 60 } }))).not.toContain('taken back');
    // The next version that comes up ends it.
    await clock.until(rig.agent.apply(manifestOf(spec('score', { image: 'candyco/score:3' }), spec('scale')), 3, 'hub'));
    expect(textOf(await logs({ id: 'score' }))).not.toContain('---');
  });

  test('have what a version before kept of one that was taken back', async () => {
    mkdirSync(join(folder.path, 'last-words'), { recursive: true });
    const kept = [{ time: '2026-11-24T08:00:00.5Z', stream: 'stdout', text: 'no model found' }];
    writeFileSync(join(folder.path, 'last-words/score.json'), JSON.stringify(kept));
    const heading = '--- a container was taken back at 2026-11-24T08:00:00.5Z: it did not come up; its last lines ---';
    expect(textOf(await logs({ id: 'score' }))).toContain(`${heading}\nno model found\n---`);
  });
});

test.for([
  { text: '90m', seconds: 5_400 },
  { text: '2 days 3 hours', seconds: 183_600 },
  { text: '1d2h', seconds: 93_600 },
  { text: '1 week', seconds: 604_800 },
])('$text is $seconds s ago', ({ text, seconds }) => {
  expect(readMoment('since', text, 1_000_000_000)).toBe(1_000_000 - seconds);
});

test('a moment is RFC 3339 or seconds since 1970, too', () => {
  expect(readMoment('since', '2026-11-24T08:00:00Z', 0)).toBe(Date.UTC(2026, 10, 24, 8) / 1000);
  expect(readMoment('since', 1_700_000_000, 0)).toBe(1_700_000_000);
  expect(() => readMoment('since', '5 apples', 0)).toThrow(/5 apples/);
});

interface Put {
  readonly url: string;
  readonly body: Buffer;
  readonly type: string | undefined;
  readonly blob: string | string[] | undefined;
}

/** A storage account: answers with these statuses, then 201. */
async function storage(...statuses: number[]) {
  const puts: Put[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const chunk of request) parts.push(chunk as Buffer);
    const { url = '', headers } = request;
    puts.push({ url, body: Buffer.concat(parts), type: headers['content-type'], blob: headers['x-ms-blob-type'] });
    response.writeHead(statuses.shift() ?? 201, { 'x-ms-error-code': 'ServerBusy' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    puts,
    sasUrl: `http://127.0.0.1:${port}/logs?sig=secretsignature&se=2027`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function finished({ payload }: AgentAnswer): Promise<unknown> {
  const { correlationId, status } = payload as { correlationId: string; status: string };
  expect(status).toBe('Running');
  await clock.until(rig.agent.methods.idle());
  return (await call('GetTaskStatus', { schemaVersion: '1.0', correlationId })).payload;
}

describe('UploadModuleLogs', () => {
  test('puts a blob a module, again where the storage was busy', async () => {
    await using account = await storage(503);
    const answer = await logsTo(account.sasUrl, 'score', { encoding: 'gzip' });
    expect(await finished(answer)).toMatchObject({ status: 'Completed' });
    expect(account.puts).toHaveLength(2);
    const { url, body, blob, type } = account.puts[1]!;
    expect(url).toMatch(/^\/logs\/plant\.azure-devices\.net\/gw-1\/score-2026-11-24--08-00-\d\d\.log\.gz\?sig=secretsignature&se=2027$/);
    expect({ blob, type }).toEqual({ blob: 'BlockBlob', type: 'application/gzip' });
    expect(gunzipSync(body).toString()).toContain('valve stuck');
  });

  test('that is refused says how, and never the signature', async () => {
    await using account = await storage(403);
    const said = await finished(await logsTo(account.sasUrl, 'score'));
    expect(said).toMatchObject({ status: 'Failed', message: expect.stringMatching(/answered 403 ServerBusy/) });
    expect(JSON.stringify([said, rig.acts])).not.toContain('secretsignature');
    expect(account.puts).toHaveLength(1);
  });

  test('does not send logs in the clear', async () => {
    expect(await logsTo('http://storage.example/logs?sig=secretsignature', 'score')).toMatchObject({
      status: 400,
      payload: { message: expect.not.stringContaining('secretsignature') },
    });
  });

  test('nobody knows a task that never was', async () => {
    expect(await call('gettaskstatus', { schemaVersion: '1.0', correlationId: 'x' })).toMatchObject({
      status: 200,
      payload: { status: 'Unknown' },
    });
  });
});

const logsTo = (sasUrl: string, id: string, more: object = {}): Promise<AgentAnswer> =>
  call('UploadModuleLogs', { schemaVersion: '1.0', sasUrl, items: [{ id }], ...more });

const python = existsSync(debianPython);

test.skipIf(!python)(
  `UploadSupportBundle is a ZIP that others read, without secrets${python ? '' : ' [skipped: no python3]'}`,
  async () => {
    await using account = await storage();
    expect(await finished(await call('UploadSupportBundle', { schemaVersion: '1.0', sasUrl: account.sasUrl, since: '2d' }))).toMatchObject({
      status: 'Completed',
    });
    const file = join(folder.path, 'bundle.zip');
    writeFileSync(file, account.puts[0]!.body);
    const script =
      'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); z.testzip(); [print(n, z.read(n).decode()) for n in z.namelist()]';
    const { stdout, stderr } = spawnSync(debianPython, ['-c', script, file], { encoding: 'utf8' });
    expect(stderr).toBe('');
    for (const part of ['config.yaml gateway: gw-1', 'logs/score.log', 'valve stuck', 'logs/edgeAgent.log', '"PASSWORD"'])
      expect(stdout).toContain(part);
    expect(stdout).not.toContain('hunter2');
  },
);

test('a ZIP of nothing is one', async () => {
  expect((await zipOf(new Map(), new Date())).length).toBe(22);
});

test('while an upload is under way the agent is not closed under it', async () => {
  await using account = await storage();
  await logsTo(account.sasUrl, 'score');
  await clock.until(rig.agent[Symbol.asyncDispose]());
  await vi.waitFor(() => expect(account.puts.length + rig.acts.filter(({ action }) => action === 'upload logs').length).toBeGreaterThan(0));
});
