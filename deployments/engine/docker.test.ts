import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { docker, makeShellImage, type TestEngine } from '../../test/support/engine.ts';
import { type BorrowedEngine, type EngineKind, engines, ownEngines } from '../../test/support/engines.ts';
import { freePort } from '../../test/support/ports.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { ModuleSpec } from '../contract.ts';
import { containerBody } from './container-body.ts';
import type { ContainerBody, Engine, EngineEvent, LogLine } from './contract.ts';
import { openDocker } from './docker.ts';
import { ownLabels } from './labels.ts';

const mine = `dragoman-test-${process.pid}`;
const image = `${mine}/shell:1`;
const label = { 'dragoman.test': mine };
const shell = (script: string, more: ContainerBody = {}): ContainerBody => ({
  Image: image,
  Labels: label,
  Cmd: ['sh', '-c', script],
  ...more,
});
const forEver = 'trap exit TERM; while true; do sleep 1 & wait $!; done';

async function linesOf(logs: AsyncIterable<LogLine>): Promise<readonly LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of logs) lines.push(line);
  return lines;
}

/** The first event that fits. */
async function event(events: AsyncIterable<EngineEvent>, fits: (one: EngineEvent) => boolean): Promise<EngineEvent> {
  for await (const one of events) if (fits(one)) return one;
  throw new Error('the events ended');
}

for (const kind of engines()) describe.skipIf(!kind.ok)(kind.titled('a container engine'), kind.trying, () => containersOn(kind));

function containersOn(kind: EngineKind<BorrowedEngine>): void {
  let peer: BorrowedEngine;
  let engine: Engine;
  const podman = kind.name === 'podman';

  beforeAll(async () => {
    peer = await kind.start();
    await makeShellImage(peer.host, { tag: image });
    engine = await openDocker({ url: peer.host });
  }, 60_000);

  afterAll(async () => {
    for (const { id } of (await engine?.containers(label)) ?? []) await engine.remove(id);
    await docker(peer.host, 'rmi', '-f', image);
    await engine?.[Symbol.asyncDispose]();
    await peer[Symbol.asyncDispose]();
  }, 60_000);

  test('says what it is', async () => {
    expect(await engine.info()).toMatchObject({ name: kind.name, apiVersion: expect.stringMatching(/^1\./), operatingSystem: 'linux' });
  });

  test('a container from its making to its end', async () => {
    const id = await engine.create(`${mine}-a`, shell(forEver));
    expect(await engine.container(id)).toMatchObject({ name: `${mine}-a`, state: 'created', labels: label, startedAt: undefined });
    await engine.start(id);
    await engine.start(id);
    expect(await engine.container(`${mine}-a`)).toMatchObject({ id, state: 'running', health: undefined, exitCode: 0 });
    await engine.rename(id, `${mine}-b`);
    expect(await engine.containers(label)).toMatchObject([{ id, name: `${mine}-b` }]);
    expect(await engine.containers({ ...label, other: '1' })).toEqual([]);
    await engine.stop(id, 5);
    await engine.stop(id, 5);
    expect(await engine.container(id)).toMatchObject({ state: 'exited', finishedAt: expect.stringMatching(/^20/) });
    await engine.remove(id);
    await engine.remove(id);
    await engine.stop(id, 5);
    expect(await engine.container(id)).toBeUndefined();
  });

  test('a container is removed even while another removal of it is under way', async () => {
    const id = await engine.create(`${mine}-twice`, shell(forEver));
    await engine.start(id);
    await Promise.all([engine.remove(id), engine.remove(id), engine.remove(id)]);
    expect(await engine.container(id)).toBeUndefined();
  });

  test('logs: both streams, in order, with times; from the end; since', async () => {
    const id = await engine.create(
      `${mine}-logs`,
      shell(`echo one; sleep 0.1; echo two >&2; sleep ${podman ? 2.1 : 1.1}; echo; sleep 0.1; echo four äöü`),
    );
    await using follow = await following(engine, id);
    await engine.start(id);
    const lines = await linesOf(follow.logs());
    expect(lines.map(({ stream, text }) => [stream, text])).toEqual([
      ['stdout', 'one'],
      ['stderr', 'two'],
      ['stdout', ''],
      ['stdout', 'four äöü'],
    ]);
    const times = podman ? /^20\d\d-.*:\d\dZ$/ : /^20\d\d-.*\.\d{9}Z$/;
    expect(lines.filter(({ time }) => !times.test(time))).toEqual([]);
    expect((await linesOf(engine.logs(id, { tail: 1 }))).map(({ text }) => text)).toEqual(['four äöü']);
    const since = Date.parse(lines[2]!.time) / 1000 - 0.5;
    expect((await linesOf(engine.logs(id, { since }))).map(({ text }) => text)).toEqual(['', 'four äöü']);
    expect((await linesOf(engine.logs(id, { until: since }))).map(({ text }) => text)).toEqual(['one', 'two']);
  });

  test('logs of a container with a terminal have no frames', async () => {
    const id = await engine.create(`${mine}-tty`, shell('echo one; echo two', { Tty: true }));
    await engine.start(id);
    expect((await linesOf(engine.logs(id, { follow: true }))).map(({ text }) => text)).toEqual(['one', 'two']);
  });

  test('following logs ends when it is called off', async () => {
    const id = await engine.create(`${mine}-follow`, shell(`echo ready; ${forEver}`));
    await engine.start(id);
    const stop = new AbortController();
    const texts: string[] = [];
    for await (const { text } of engine.logs(id, { follow: true, signal: stop.signal })) {
      texts.push(text);
      stop.abort();
    }
    expect(texts).toEqual(['ready']);
    await engine.remove(id);
  });

  test('events: start, end with its code, health, removal', async () => {
    const Healthcheck = { Test: ['CMD', 'true'], Interval: 1_000_000_000, Timeout: 1_000_000_000, Retries: 1 };
    const stop = new AbortController();
    const events = engine.events(label, stop.signal)[Symbol.asyncIterator]() as AsyncIterableIterator<EngineEvent>;
    const first = events.next();
    const healthy = await engine.create(`${mine}-healthy`, shell(forEver, { Healthcheck }));
    const ends = await engine.create(`${mine}-ends`, shell('exit 7'));
    await engine.start(healthy);
    expect((await first).value).toEqual({ container: healthy, kind: 'start' });
    const health = event(events, ({ kind }) => kind === 'health');
    expect(await health).toEqual({ container: healthy, kind: 'health', health: 'healthy' });
    expect(await engine.container(healthy)).toMatchObject({ health: 'healthy' });
    stop.abort();

    const again = new AbortController();
    const more = engine.events(label, again.signal)[Symbol.asyncIterator]() as AsyncIterableIterator<EngineEvent>;
    const start = more.next();
    await engine.start(ends);
    expect((await start).value).toEqual({ container: ends, kind: 'start' });
    expect((await more.next()).value).toEqual({ container: ends, kind: 'die', exitCode: 7 });
    await engine.remove(ends);
    expect((await more.next()).value).toEqual({ container: ends, kind: 'destroy' });
    again.abort();
    expect(await more.next()).toMatchObject({ done: true });
    await engine.remove(healthy);
  });

  test('a health check keeps its arguments, a tmpfs is for everybody, host-gateway is an address', async () => {
    const Healthcheck = { Test: ['CMD', 'sh', '-c', 'exit 1'], Interval: 3_600_000_000_000 };
    const HostConfig = {
      Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1_000_000 } }],
      ExtraHosts: ['gw-1:host-gateway'],
    };
    const id = await engine.create(
      `${mine}-options`,
      shell('echo x > /t/x; cat /t/x; getent hosts gw-1', { Healthcheck, HostConfig, User: '1000:1000' }),
    );
    expect(JSON.parse(await docker(peer.host, 'inspect', '-f', '{{json .Config.Healthcheck.Test}}', id))).toEqual(Healthcheck.Test);
    await engine.start(id);
    const said = (await linesOf(engine.logs(id, { follow: true }))).map(({ text }) => text);
    expect(said).toEqual(['x', expect.stringMatching(/^\d+\.\d+\.\d+\.\d+ +gw-1/)]);
    await engine.remove(id);
  });

  test('a network is made once, and modules on it find each other by their names', async () => {
    const network = `${mine}-net`;
    await Promise.all([engine.ensureNetwork(network), engine.ensureNetwork(network)]);
    await engine.ensureNetwork(network);
    expect((await docker(peer.host, 'network', 'ls', '-q', '--filter', `name=^${network}$`)).split('\n')).toHaveLength(1);

    const { id: imageId } = (await engine.image(image))!;
    const host = { gateway: mine, imageId, network, env: { FROM_GATEWAY: '1' }, binds: [], loggingOptions: '' };
    const module = (name: string, Cmd: readonly string[]) => ({
      ...{ name, version: '1', status: 'running', restartPolicy: 'always', imagePullPolicy: 'on-create', startupOrder: 1, env: {}, image },
      createOptions: { Cmd, Labels: label },
    });
    const server = await engine.create(`${mine}-server`, containerBody(module('server', ['sh', '-c', forEver]) as ModuleSpec, host));
    const client = await engine.create(
      `${mine}-client`,
      containerBody(module('client', ['sh', '-c', 'getent hosts server; env']) as ModuleSpec, host),
    );
    await engine.start(server);
    await engine.start(client);
    const said = (await linesOf(engine.logs(client, { follow: true }))).map(({ text }) => text).join('\n');
    expect(said).toMatch(/^\d+\.\d+\.\d+\.\d+ +server/);
    expect(said).toContain('FROM_GATEWAY=1');
    expect((await engine.containers(ownLabels(mine))).map(({ id }) => id).sort()).toEqual([server, client].sort());
    // What podman made of it is in no answer of this API.
    if (!podman)
      expect(await docker(peer.host, 'inspect', '-f', '{{json .HostConfig.LogConfig.Config}}', server)).toBe(
        '{"max-file":"3","max-size":"10m"}',
      );
    await Promise.all([engine.remove(server), engine.remove(client)]);
    await docker(peer.host, 'network', 'rm', network);
  });

  test('an image is saved, loaded again, found and removed', async () => {
    using folder = tempFolder();
    const tar = join(folder.path, 'image.tar');
    const id = await makeShellImage(peer.host, { tag: `${mine}/saved:1`, content: 'saved' });
    await docker(peer.host, 'save', '-o', tar, `${mine}/saved:1`);
    await engine.removeImage(id);
    expect(await engine.image(`${mine}/saved:1`)).toBeUndefined();
    expect(await engine.load(tar)).toEqual([`${mine}/saved:1`]);
    expect(await engine.image(`${mine}/saved:1`)).toMatchObject({ id, tags: [`${mine}/saved:1`] });
    expect((await engine.images()).find((one) => one.id === id)).toMatchObject({ tags: [`${mine}/saved:1`] });
    await engine.removeImage(id);
    await engine.removeImage(id);
  });

  describe('what it refuses, told with its code and what to do', () => {
    const refused = (call: Promise<unknown>) => expect(call).rejects;

    test('a name that is taken', async () => {
      const id = await engine.create(`${mine}-name`, shell('true'));
      await refused(engine.create(`${mine}-name`, shell('true'))).toMatchObject({
        code: 'engine-conflict',
        message: expect.stringContaining(`creating the container ${mine}-name: `),
        hint: expect.stringContaining(`${kind.name} ps -a`),
      });
      const other = await engine.create(`${mine}-other`, shell('true'));
      await refused(engine.rename(other, `${mine}-name`)).toMatchObject({ code: 'engine-conflict' });
      await Promise.all([engine.remove(id), engine.remove(other)]);
    });

    test('a port that is taken', async () => {
      const server = createServer();
      const port = await freePort();
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      const HostConfig = { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: String(port) }] } };
      const id = await engine.create(`${mine}-port`, shell(forEver, { HostConfig, ExposedPorts: { '80/tcp': {} } }));
      await refused(engine.start(id)).toMatchObject({ code: 'port-taken', message: expect.stringContaining(String(port)) });
      await engine.remove(id);
      server.close();
    });

    test('an image in use', async () => {
      const id = await engine.create(`${mine}-uses`, shell('true'));
      await refused(engine.removeImage((await engine.image(image))!.id)).toMatchObject({ code: 'engine-conflict' });
      await engine.remove(id);
    });

    test('an image that it does not have', async () => {
      await refused(engine.create(`${mine}-none`, shell('true', { Image: `${mine}/none:1` }))).toMatchObject({ code: 'image-absent' });
    });

    test('a program that the image does not have, options that contradict each other', async () => {
      const id = await engine.create(`${mine}-program`, shell('', { Cmd: ['/no/such/program'] }));
      await refused(engine.start(id)).toMatchObject({ code: 'container-refused', message: expect.stringContaining('/no/such/program') });
      await engine.remove(id);
      // podman looks at them when it starts it.
      const madeAndStarted = async (): Promise<void> =>
        engine.start(await engine.create(`${mine}-memory`, shell('true', { HostConfig: { Memory: 1 } })));
      await refused(madeAndStarted()).toMatchObject({ code: 'container-refused', retry: 'after-fix' });
    });

    test('a container that is not there', async () => {
      await refused(engine.start('nothing')).toMatchObject({ code: 'container-refused' });
      await refused(linesOf(engine.logs('nothing', {}))).toMatchObject({ code: 'container-refused' });
    });

    test('a file that is no image, or not there', async () => {
      await refused(engine.load(import.meta.filename)).toMatchObject({
        code: 'engine-error',
        message: expect.stringContaining(import.meta.filename),
      });
      await refused(engine.load('/no/such.tar')).toMatchObject({ code: 'image-absent' });
    });
  });
}

/** Logs that are followed from before the start. */
async function following(engine: Engine, id: string): Promise<AsyncDisposable & { logs(): AsyncIterable<LogLine> }> {
  return { logs: () => engine.logs(id, { follow: true }), [Symbol.asyncDispose]: () => engine.remove(id) };
}

describe('no engine', () => {
  test('where there is no socket, or nobody listens', async () => {
    using folder = tempFolder();
    await expect(openDocker({ url: `unix://${folder.path}/none` })).rejects.toMatchObject({
      code: 'engine-absent',
      retry: 'with-backoff',
      message: expect.stringContaining(`no container engine answers at unix:${folder.path}/none`),
      hint: expect.stringContaining('systemctl status docker'),
    });
    await expect(openDocker({ url: `tcp://127.0.0.1:${await freePort()}` })).rejects.toMatchObject({ code: 'engine-absent' });
    await expect(openDocker({ url: 'nonsense' })).rejects.toMatchObject({ code: 'engine-absent' });
  });

  test('without TLS over a network it is not talked to', async () => {
    await expect(openDocker({ url: 'tcp://192.0.2.1:2375' })).rejects.toMatchObject({ code: 'engine-forbidden' });
  });

  test('something that is no engine', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'));
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    await expect(openDocker({ url: `tcp://127.0.0.1:${port}` })).rejects.toMatchObject({ code: 'engine-error' });
    server.close();
  });
});

for (const kind of ownEngines()) describe.skipIf(!kind.ok)(kind.titled('an engine that is killed'), kind.trying, () => killed(kind));

function killed(kind: EngineKind<TestEngine>): void {
  let peer: TestEngine;

  beforeAll(async () => {
    peer = await kind.start();
    await makeShellImage(peer.host, { tag: image });
  }, 60_000);

  afterAll(() => peer?.[Symbol.asyncDispose](), 60_000);

  test('ends what is under way, is absent, and comes back with its containers', async () => {
    const engine = await openDocker({ url: peer.host });
    const id = await engine.create('survivor', shell(`echo ready; ${forEver}`));
    await engine.start(id);
    const events = engine.events(label, new AbortController().signal)[Symbol.asyncIterator]() as AsyncIterableIterator<EngineEvent>;
    const next = events.next();
    const logs = linesOf(engine.logs(id, { follow: true }));
    // A first answer to each: both are under way.
    await engine.stop(id, 0);
    await next;
    await engine.start(id);
    const following = events
      .next()
      .then(() => events.next())
      .then(() => events.next());
    const absent = { code: 'engine-absent' };
    // Docker's logs ended with the first run, podman's go on with the second.
    const gone = [expect(following).rejects.toMatchObject(absent), logs.catch((error: unknown) => expect(error).toMatchObject(absent))];
    await peer.kill();
    await Promise.all(gone);
    await expect(engine.container(id)).rejects.toMatchObject({ code: 'engine-absent' });
    await expect(engine.pull('127.0.0.1:1/x:1', { credentials: undefined })).rejects.toMatchObject({ code: 'engine-absent' });
    await peer.start();
    expect(await engine.container(id)).toMatchObject({ state: 'running' });
    await engine[Symbol.asyncDispose]();
    await expect(engine.info()).rejects.toMatchObject({ code: 'engine-absent' });
  }, 60_000);
}
