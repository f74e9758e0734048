import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { Methods } from '../methods/methods.ts';
import { digestOf } from './blobs.ts';
import { addConfigurationMethods } from './methods.ts';
import { reportedConfiguration } from './reported.ts';
import { anna, box, machine, quiet } from './testing/box.ts';

const failingSample = 'samples:\n  - given: { holding 1: 100 }\n    expect: { level: 11 }\n';
const signal = new AbortController().signal;

describe('local edits', () => {
  test('the first start and each edit is a snapshot; nothing new, no snapshot', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    gateway.local('cooker.yaml', machine('cooker-1'));
    await gateway.reloadLocal();
    await gateway.reloadLocal();
    gateway.local('cooker.yaml', machine('cooker-1', 0.01));
    await gateway.reloadLocal();
    gateway.local('cooker.yaml', 'equipment: [');
    await gateway.reloadLocal();
    const { snapshots } = gateway.service.store;
    expect(snapshots.map(({ who, from }) => `${who} ${from}`)).toEqual(['file disk', 'file disk', 'file disk']);
    expect(snapshots.at(-1)!.plan.at(-1)).toBe('1 point changed, 0 added, 0 connections reopened');
    const difference = await gateway.service.diff();
    expect(difference).toMatchObject({
      from: 2,
      to: 3,
      plan: expect.arrayContaining(['1 point changed, 0 added, 0 connections reopened']),
    });
    expect(difference!.files).toEqual([
      { file: 'mappings/cooker.yaml', diff: expect.stringContaining('+  level: { at: holding 1, type: uint16, scale: 0.01 }') },
    ]);
  });
});

describe('files from elsewhere', () => {
  test('are compiled, applied, kept over a restart, and shown in a folder', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    const answer = await gateway.remote.apply(
      { mappings: { 'cooker-1': { text: machine('cooker-1') } }, settings: { batchFor: '1s' } },
      3,
      'hub',
      signal,
    );
    expect(answer).toMatchObject({
      version: 3,
      state: 'applied',
      status: 200,
      snapshot: 2,
      message: expect.stringContaining('1 machine added'),
    });
    expect(gateway.applySettings).toHaveBeenLastCalledWith({ batchFor: '1s' });
    expect(readdirSync(join(folder.path, 'configuration', 'mappings'))).toEqual(['cooker-1.yaml']);
    const again = await box(folder.path);
    expect(again.runs()).toEqual({ 'cooker-1': 'configuration/mappings/cooker-1.yaml' });
    expect(again.applySettings).toHaveBeenLastCalledWith({ batchFor: '1s' });
    expect(again.service.store.snapshots).toHaveLength(2);
    // The twin says the same again after every start.
    expect(
      await again.remote.apply({ mappings: { 'cooker-1': { text: machine('cooker-1') } }, settings: { batchFor: '1s' } }, 3, 'hub', signal),
    ).toMatchObject({ state: 'unchanged', snapshot: 2 });
    // An edit of the shown copy is not read, and is written over.
    writeFileSync(join(folder.path, 'configuration', 'mappings', 'cooker-1.yaml'), 'garbage');
    await box(folder.path);
    expect(readFileSync(join(folder.path, 'configuration', 'mappings', 'cooker-1.yaml'), 'utf8')).toBe(machine('cooker-1'));
  });

  test('a refused one is answered with its diagnostics, the old one runs on', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1') } } }, 1, 'hub', signal);
    const answer = await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1', 0.1, failingSample) } } }, 2, 'hub', signal);
    expect(answer).toMatchObject({ state: 'refused', status: 400 });
    expect(answer.diagnostics).toMatchObject({ errors: 1, warnings: 0 });
    expect(answer.diagnostics!.problems[0]).toMatchObject({
      file: 'configuration/mappings/a.yaml',
      line: 7,
      rule: 'sample-failed',
      hint: expect.any(String),
    });
    expect(gateway.service.store.current!.number).toBe(2);
    expect(gateway.runs()).toEqual({ 'cooker-1': 'configuration/mappings/a.yaml' });
    const garbage = await gateway.remote.apply({ mappings: { a: { text: `points: [${'x, '.repeat(20_000)}` } } }, 3, 'hub', signal);
    expect(garbage.state).toBe('refused');
    expect(JSON.stringify(garbage).length).toBeLessThan(16_000);
  });

  test('a machine that is local too is taken from the remote file, with a warning', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    gateway.local('cooker.yaml', machine('cooker-1'));
    await gateway.reloadLocal();
    const answer = await gateway.remote.apply({ mappings: { c: { text: machine('cooker-1', 0.01) } } }, 1, 'hub', signal);
    expect(answer.diagnostics).toMatchObject({ errors: 0, warnings: 1, problems: [{ rule: 'remote-wins', file: 'mappings/cooker.yaml' }] });
    expect(gateway.scaleOf('cooker-1')).toBe(1);
    await gateway.remote.apply({ mappings: { c: null } }, 2, 'hub', signal);
    expect(gateway.scaleOf('cooker-1')).toBe(10);
    expect(gateway.problems()).toEqual([]);
  });

  test('copies for people are no local files where mappings: is a folder above them', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path, [folder.path]);
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1') } } }, 1, 'hub', signal);
    await gateway.reloadLocal();
    expect(gateway.problems()).toEqual([]);
    expect(gateway.service.store.current).toMatchObject({ number: 2, local: {} });
    const again = await box(folder.path, [folder.path]);
    expect(again.runs()).toEqual({ 'cooker-1': 'configuration/mappings/a.yaml' });
    expect(again.problems()).toEqual([]);
  });

  test('what would leave no machine is refused', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1') } } }, 1, 'hub', signal);
    expect(await gateway.remote.apply({ mappings: {} }, 2, 'hub', signal)).toMatchObject({
      state: 'refused',
      message: expect.stringContaining('no machine would be left'),
    });
    const outcome = await gateway.service.apply({ files: new Map([['a.yaml', null]]), allowNoMachines: true }, anna);
    expect(outcome.state).toBe('applied');
    expect(gateway.runs()).toEqual({});
  });

  test('half of the parts: waits; a stale version: is passed over', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    const text = machine('cooker-1');
    const mappings = { a: { chunks: 2, sha256: digestOf(text) } };
    const parts = { 0: text.slice(0, 40), 1: text.slice(40) };
    expect(await gateway.remote.apply({ mappings, mappingParts: { a: { 0: parts[0] } } }, 4, 'hub', signal)).toMatchObject({
      state: 'waiting',
      status: 202,
      message: 'waiting for a.yaml: part 1 of 2 (numbered from 0)',
    });
    expect(gateway.service.store.snapshots).toHaveLength(1);
    expect(await gateway.remote.apply({ mappings, mappingParts: { a: parts } }, 5, 'hub', signal)).toMatchObject({ state: 'applied' });
    expect(await gateway.remote.apply({ mappings: {} }, 4, 'hub', signal)).toMatchObject({ state: 'stale', status: 409 });
    const both = await Promise.all([
      gateway.remote.apply({ mappings: { a: { text: 'garbage' } } }, 6, 'hub', signal),
      gateway.remote.apply({ mappings }, 7, 'hub', signal),
    ]);
    expect(both.map(({ state }) => state)).toEqual(['stale', 'unchanged']);
  });

  test("the twin's word counts when it changes, not each time it is heard", async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    const asked = { mappings: { a: { text: machine('cooker-1') }, b: { text: machine('cooker-2') } } };
    await gateway.remote.apply(asked, 1, 'hub', signal);
    await gateway.service.apply({ files: new Map([['a.yaml', machine('cooker-1', 0.01)]]) }, { who: 'rule', from: 'shadow run' });
    expect(reportedConfiguration(gateway.service.store)).toMatchObject({ mappings: { a: { asked: digestOf(machine('cooker-1')) } } });
    const again = await box(folder.path);
    await again.remote.apply(asked, 1, 'hub', signal);
    await again.remote.apply({ mappings: { ...asked.mappings, b: { text: machine('cooker-2', 1) } } }, 2, 'hub', signal);
    expect([again.scaleOf('cooker-1'), again.scaleOf('cooker-2')]).toEqual([1, 100]);
  });

  test('one that cannot be applied is taken back', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1') } } }, 1, 'hub', signal);
    gateway.failNextReload('the moon is full');
    expect(await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1', 1) } } }, 2, 'hub', signal)).toMatchObject({
      state: 'refused',
      message: expect.stringContaining('the moon is full'),
    });
    expect(gateway.scaleOf('cooker-1')).toBe(10);
    expect(gateway.service.store.current).toMatchObject({ number: 4, who: 'gateway', note: expect.stringContaining('snapshot 3 failed') });
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1', 1) } } }, 3, 'hub', signal);
    expect(gateway.scaleOf('cooker-1')).toBe(100);
  });
});

describe('by URL', () => {
  async function web(answer: (url: string) => { status?: number; body: string; location?: string }) {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      const { status = 200, body, location } = answer(request.url!);
      response.writeHead(status, location === undefined ? {} : { location });
      response.end(body);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    return { asked, url: `http://127.0.0.1:${port}/a.yaml`, [Symbol.dispose]: () => void server.close().closeAllConnections() };
  }

  test('is fetched once, held against its digest, and there after a restart without a link', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    const text = machine('cooker-1');
    using site = await web((url) => (url === '/a.yaml' ? { status: 302, body: '', location: '/b.yaml?sig=secret' } : { body: text }));
    const desired = { mappings: { a: { url: site.url, sha256: digestOf(text) } } };
    expect(await gateway.remote.apply(desired, 1, 'hub', signal)).toMatchObject({ state: 'applied' });
    expect(site.asked).toEqual(['/a.yaml', '/b.yaml?sig=secret']);
    const again = await box(folder.path);
    expect(again.runs()).toEqual({ 'cooker-1': 'configuration/mappings/a.yaml' });
    expect(await again.remote.apply(desired, 1, 'hub', signal)).toMatchObject({ state: 'unchanged' });
    expect(site.asked).toHaveLength(2);
  });

  test.for([
    { rule: 'another file', answer: { body: 'other' }, state: 'refused', says: /SHA-256/ },
    { rule: 'gone', answer: { status: 404, body: '' }, state: 'refused', says: /answers 404/ },
    { rule: 'busy', answer: { status: 503, body: '' }, state: 'waiting', says: /answers 503/ },
    { rule: 'too large', answer: { body: 'x'.repeat(11 * 1024 * 1024) }, state: 'refused', says: /at most 10 MB/ },
    {
      rule: 'a redirect to elsewhere by http',
      answer: { status: 301, body: '', location: 'http://198.51.100.1/a' },
      state: 'refused',
      says: /use https/,
    },
    { rule: 'a redirect in a circle', answer: { status: 301, body: '', location: '/a.yaml' }, state: 'refused', says: /leads on and on/ },
  ])('$rule: $state', async ({ answer, state, says }) => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    using site = await web(() => answer);
    expect(await gateway.remote.apply({ mappings: { a: { url: site.url, sha256: digestOf('x') } } }, 1, 'hub', signal)).toMatchObject({
      state,
      message: expect.stringMatching(says),
    });
  });

  test('nobody listens: waits, and says when to try again', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    expect(
      await gateway.remote.apply({ mappings: { a: { url: 'http://127.0.0.1:1/a', sha256: digestOf('x') } } }, 1, 'hub', signal),
    ).toMatchObject({ state: 'waiting', retryAfterMs: 60_000 });
  });
});

describe('rollback', () => {
  test('makes a new snapshot that is equal to the old one', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1') } }, settings: { log: { level: 'debug' } } }, 1, 'hub', signal);
    await gateway.remote.apply(
      { mappings: { a: { text: machine('cooker-1', 1) }, b: { text: machine('cooker-2') } }, settings: {} },
      2,
      'hub',
      signal,
    );
    const outcome = await gateway.service.rollback(2, anna);
    expect(outcome).toMatchObject({ state: 'applied', snapshot: { number: 4, parent: 3, who: 'anna', note: 'as snapshot 2' } });
    expect(outcome.state === 'applied' && outcome.snapshot.digest).toBe(gateway.service.store.find(2)!.digest);
    expect(gateway.runs()).toEqual({ 'cooker-1': 'configuration/mappings/a.yaml' });
    expect(gateway.applySettings).toHaveBeenLastCalledWith({ log: { level: 'debug' } });
  });

  test('of a local edit holds over a restart, until the file is edited again', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    gateway.local('a.yaml', machine('cooker-1'));
    await gateway.reloadLocal();
    gateway.local('a.yaml', machine('cooker-1', 1));
    gateway.local('b.yaml', machine('cooker-2'));
    await gateway.reloadLocal();
    expect((await gateway.service.rollback(2, anna)).state).toBe('applied');
    expect([gateway.scaleOf('cooker-1'), Object.keys(gateway.runs())]).toEqual([10, ['cooker-1']]);
    const again = await box(folder.path);
    expect([again.scaleOf('cooker-1'), Object.keys(again.runs())]).toEqual([10, ['cooker-1']]);
    expect(again.service.store.current!.number).toBe(4);
    again.local('a.yaml', machine('cooker-1', 0.01));
    await again.reloadLocal();
    expect(again.scaleOf('cooker-1')).toBe(1);
    // The way back is not remembered: the same bytes as before the edit are an edit too.
    again.local('a.yaml', machine('cooker-1', 1));
    await again.reloadLocal();
    expect(again.scaleOf('cooker-1')).toBe(100);
    expect(Object.keys(again.runs())).toEqual(['cooker-1']);
  });

  test('brings a local file back that was removed since', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    gateway.local('a.yaml', machine('cooker-1'));
    gateway.local('b.yaml', machine('cooker-2'));
    await gateway.reloadLocal();
    rmSync(join(folder.path, 'mappings', 'b.yaml'));
    await gateway.reloadLocal();
    await gateway.service.rollback(2, anna);
    expect(Object.keys(gateway.runs())).toEqual(['cooker-1', 'cooker-2']);
  });

  test('to what is not there, or is damaged, is refused', async () => {
    using folder = tempFolder();
    const gateway = await box(folder.path);
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1') } } }, 1, 'hub', signal);
    await gateway.remote.apply({ mappings: { a: { text: machine('cooker-1', 1) } } }, 2, 'hub', signal);
    rmSync(join(folder.path, 'configuration', 'files', digestOf(machine('cooker-1'))));
    expect(await gateway.service.rollback(2, anna)).toMatchObject({ state: 'refused', reason: expect.stringContaining('damaged') });
    expect(await gateway.service.rollback(99, anna)).toMatchObject({
      state: 'refused',
      reason: 'there is no snapshot 99; there are 1 to 3',
    });
  });
});

test('the methods', async () => {
  using folder = tempFolder();
  const gateway = await box(folder.path);
  const methods = new Methods(quiet);
  addConfigurationMethods(methods, gateway.service);
  const call = (name: string, payload?: unknown) => methods.call(name, payload, { who: 'berta', from: 'hub', requestId: '1' });
  expect(await call('config.apply', { files: { 'a.yaml': machine('cooker-1') } })).toMatchObject({
    status: 200,
    payload: { state: 'applied', snapshot: 2 },
  });
  expect(await call('config.apply', { files: { 'a.yaml': 'garbage' } })).toMatchObject({
    status: 409,
    payload: { error: 'config-refused', details: { problems: [{ rule: expect.any(String) }] } },
  });
  expect(await call('config.apply', { files: { '../a.yaml': 'x' } })).toMatchObject({ status: 400 });
  expect(await call('config.history')).toMatchObject({
    status: 200,
    payload: { snapshots: [{ snapshot: 2, who: 'berta', from: 'method' }, { snapshot: 1 }] },
  });
  expect(await call('config.diff', {})).toMatchObject({ status: 200, payload: { files: [{ file: 'remote/a.yaml' }], from: 1, to: 2 } });
  expect(await call('config.diff', { from: 7 })).toMatchObject({ status: 404 });
  expect(await call('config.rollback', { snapshot: 'x' })).toMatchObject({ status: 400 });
  expect(await call('config.rollback', { snapshot: 1 })).toMatchObject({ status: 409 });
});
