import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { capability, titled } from '../support/capabilities.ts';
import { type Child, startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/temp.ts';

const main = resolve('gateway/main.ts');
const mosquitto = capability('mosquitto');

interface Event {
  readonly type: string;
  readonly sequence: string;
  readonly previous?: string;
  readonly data: { readonly readings?: readonly { readonly point: string; readonly value?: unknown }[] };
}
interface State {
  readonly connected: boolean;
  readonly pending: number;
  readonly dropped: number;
  readonly queued: number;
  readonly acked: number;
}

/** One machine, three hubs: the embedded one, a broker that gets a part, and files; each in its own process, each with its own fate. */
describe.skipIf(!mosquitto.ok)(titled('one outbox, several destinations', mosquitto), () => {
  const folder = tempFolder();
  const at = (...path: string[]): string => join(folder.path, ...path);
  let ports: { machine: number; broker: number; api: number };
  let machine: Child;
  let broker: Child;
  let subscriber: Child;
  let gateway: Child;

  const startBroker = async (): Promise<void> => {
    broker = startChild('mosquitto', ['-c', at('mosquitto.conf')]);
    await broker.line(/ running$/);
  };
  const subscribe = async (): Promise<void> => {
    // A session that the broker keeps on disk, so that nothing published while nobody listened is missing in the proof.
    const args = ['-p', String(ports.broker), '-t', 'candyco/#', '-q', '1', '-i', 'proof', '-c', '-d', '-F', 'EVENT %t %p'];
    subscriber = startChild('stdbuf', ['-oL', 'mosquitto_sub', ...args]);
    await subscriber.line(/^Subscribed|received SUBACK|received CONNACK \(0\)/);
  };
  const startGateway = async (): Promise<void> => {
    gateway = startChild(process.execPath, [main, 'run', '--config', at('dragoman.yaml')], { cwd: folder.path });
    await gateway.line(/status {4}/);
  };
  const state = async (name: string): Promise<State> => {
    const status = (await (await fetch(`http://127.0.0.1:${ports.api}/status`)).json()) as { destinations: Record<string, State> };
    return status.destinations[name]!;
  };
  /** What the subscriber printed; it connects again by itself. */
  const events = (): readonly Event[] =>
    subscriber
      .output()
      .split('\n')
      .slice(0, -1)
      .filter((line) => /^EVENT (?!\S+\/status )/.test(line))
      .map((line) => JSON.parse(line.slice(line.indexOf('{'))) as Event);
  const lines = (): readonly Event[] =>
    readdirSync(at('archive')).flatMap((name) =>
      readFileSync(at('archive', name), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Event),
    );
  const inHub = (): readonly Event[] =>
    execFileSync(process.execPath, [main, 'hub', 'query', '--data', at('hub')], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Event);
  const eventually = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 20_000, interval: 200 });
  const last = (all: readonly Event[]): number => Math.max(0, ...all.map(({ sequence }) => Number(sequence)));

  beforeAll(async () => {
    ports = { machine: await freePort(), broker: await freePort(), api: await freePort() };
    mkdirSync(at('mappings'));
    writeFileSync(
      at('mappings', 'cooker.yaml'),
      readFileSync(resolve('examples/candy-factory/mappings/cooker-1.yaml'), 'utf8')
        .replace('port: 5020', `port: ${ports.machine}`)
        .replace('every: 1s', 'every: 100ms')
        .replace('deadband: 0.2, ', ''),
    );
    writeFileSync(
      at('mosquitto.conf'),
      `listener ${ports.broker} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location ${folder.path}/\nautosave_interval 1\nautosave_on_changes true\nmax_queued_messages 0\nuser root\n`,
    );
    writeFileSync(
      at('dragoman.yaml'),
      `gateway: gw-test
path: candyco/leeds
hub: { kind: embedded, data: ./hub, port: 0 }
api: { listen: "127.0.0.1:${ports.api}" }
destinations:
  floor:
    kind: mqtt
    url: mqtt://127.0.0.1:${ports.broker}
    select: { points: jacket_temperature }
  archive: { kind: file, folder: ./archive }
`,
    );
    machine = startChild(process.execPath, [main, 'simulate', 'cooker', '--port', String(ports.machine), '--fault-every', '0s']);
    await Promise.all([machine.line(/ready/), startBroker()]);
    await subscribe();
    await startGateway();
  }, 60_000);

  afterAll(async () => {
    await Promise.all([gateway, machine, broker, subscriber].map((child) => child?.[Symbol.asyncDispose]()));
    folder[Symbol.dispose]();
  });

  test('each gets what it wants', async () => {
    await eventually(() => {
      expect(events().length).toBeGreaterThan(10);
      expect(new Set(inHub().flatMap(({ data }) => data.readings?.map(({ point }) => point) ?? [])).size).toBe(7);
      expect(lines().length).toBeGreaterThan(10);
    });
    expect(subscriber.output()).toContain('EVENT candyco/leeds/kitchen/line-1/cooker-1/telemetry ');
    expect(new Set(events().flatMap(({ data }) => data.readings?.map(({ point }) => point) ?? []))).toEqual(
      new Set(['jacket_temperature']),
    );
  }, 30_000);

  test('one that is away holds nobody back, and has everything once it is back, also over a kill -9 of the gateway', async () => {
    broker.process.kill('SIGKILL');
    await broker.exited;
    const before = last(lines());
    await eventually(async () => {
      expect(await state('floor')).toMatchObject({ connected: false });
      expect(last(lines())).toBeGreaterThan(before + 10);
      expect((await state('hub')).pending).toBeLessThan(50);
      expect((await state('floor')).pending).toBeGreaterThan(10);
    });
    gateway.process.kill('SIGKILL');
    await gateway.exited;
    await startGateway();
    await startBroker();
    await eventually(async () => expect(await state('floor')).toMatchObject({ connected: true, dropped: 0 }));
    await eventually(async () => expect((await state('floor')).pending).toBeLessThan(20));
    const seen = last(lines());
    await eventually(() => expect(last(events())).toBeGreaterThan(seen));
  }, 60_000);

  test('the reader of a selection can prove that nothing is missing', async () => {
    const all = events();
    const had = new Set(all.map(({ sequence }) => sequence));
    const begun = all.filter(({ previous }) => previous === undefined);
    expect(new Set(begun.map(({ sequence }) => sequence)).size).toBe(1);
    expect(all.filter(({ previous }) => previous !== undefined && !had.has(previous))).toEqual([]);
    // And what it says is so: every temperature that is in the files is there too.
    const ofFiles = new Set(
      lines()
        .filter(({ data }) => data.readings?.some(({ point }) => point === 'jacket_temperature'))
        .map(({ sequence }) => sequence),
    );
    const upTo = last(all);
    expect([...ofFiles].filter((sequence) => Number(sequence) < upTo && !had.has(sequence))).toEqual([]);
  });

  test('the accounts of each balance', async () => {
    for (const name of ['hub', 'floor', 'archive']) {
      const { queued, acked, dropped, pending } = await state(name);
      expect(acked + dropped + pending, name).toBe(queued);
    }
  });
});
