import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { hubFiles } from '../folder.ts';
import { silentLog } from '../log.ts';
import { Outgoing } from '../mqtt/outgoing.ts';
import { featureFilters, parseRequestTopic, parseTelemetryTopic } from '../mqtt/topics.ts';
import { openPolicies } from '../policies/policies.ts';
import { addDevice, getDevice, openRegistry } from '../registry.ts';
import { TelemetryStore } from '../telemetry/store.ts';
import { Commits } from './commits.ts';
import { Core } from './hub-core.ts';
import type { IdentityLink } from './links.ts';

describe('commits', () => {
  test('are done together, in order, and one that throws takes nothing else along', async () => {
    using folder = tempFolder();
    using db = openRegistry(folder.path);
    const commits = new Commits(db);
    const add = (id: string) => commits.run(() => addDevice(db, id).deviceId);
    const outcomes = await Promise.allSettled([
      add('a'),
      commits.run(() => {
        addDevice(db, 'undone');
        throw new Error('no');
      }),
      add('b'),
      add('a'),
      commits.run(() => getDevice(db, 'b')?.deviceId),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[4]).toMatchObject({ value: 'b' });
    expect(getDevice(db, 'undone')).toBeUndefined();
  });

  test('a disk that takes nothing is a 500 for all of them', async () => {
    using folder = tempFolder();
    using db = openRegistry(folder.path);
    const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count);
    db.exec(`PRAGMA max_page_count=${pages + 4}`);
    const commits = new Commits(db);
    const big = (name: string) => commits.run(() => db.prepare('INSERT INTO settings VALUES (?, ?)').run(name, 'x'.repeat(100_000)));
    const small = commits.run(() => db.prepare('INSERT INTO settings VALUES (?, ?)').run('small', 'x'));
    const [first, second] = await Promise.allSettled([small, big('big')]);
    expect([first.status, second.status]).toEqual(['rejected', 'rejected']);
    expect(second).toMatchObject({ reason: { status: 500 } });
    db.exec('PRAGMA max_page_count=100000');
    await big('later');
    expect(db.prepare('SELECT count(*) AS count FROM settings').get()?.count).toBe(1);
  });
});

test('a folder of the hub that knew devices only is read: identities, sessions and twins are there', () => {
  using folder = tempFolder();
  {
    using db = new DatabaseSync(hubFiles(folder.path).registry);
    db.exec(`
      CREATE TABLE devices (device_id TEXT PRIMARY KEY, generation_id TEXT NOT NULL, status TEXT NOT NULL, auth_type TEXT NOT NULL,
        primary_secret TEXT NOT NULL, secondary_secret TEXT NOT NULL, created_ms INTEGER NOT NULL, connected_since_ms INTEGER,
        last_activity_ms INTEGER) STRICT;
      CREATE TABLE sessions (device_id TEXT PRIMARY KEY REFERENCES devices ON DELETE CASCADE, subscriptions TEXT NOT NULL) STRICT;
      CREATE TABLE twins (device_id TEXT PRIMARY KEY REFERENCES devices ON DELETE CASCADE, desired TEXT NOT NULL,
        desired_version INTEGER NOT NULL, reported TEXT NOT NULL, reported_version INTEGER NOT NULL) STRICT;
      INSERT INTO devices VALUES ('gw', 'g1', 'disabled', 'sas', 'k1', 'k2', 5, NULL, 7);
      INSERT INTO sessions VALUES ('gw', '[["$iothub/twin/res/#",0]]');
      INSERT INTO twins VALUES ('gw', '{}', 1, '{"fw":"1"}', 4);
    `);
  }
  for (let round = 0; round < 2; round++) {
    using db = openRegistry(folder.path);
    expect(getDevice(db, 'gw')).toMatchObject({
      ...{ deviceId: 'gw', generationId: 'g1', status: 'disabled', createdMs: 5, lastActivityMs: 7, edge: false },
      authentication: { type: 'sas', primaryKey: 'k1', secondaryKey: 'k2' },
    });
    expect(db.prepare('SELECT subscriptions FROM sessions').get()?.subscriptions).toContain('twin/res');
    expect(db.prepare('SELECT reported, reported_version AS version FROM twins').get()).toEqual({ reported: '{"fw":"1"}', version: 4 });
    expect(db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'first_%'").all()).toEqual([]);
  }
});

test('a message that is not acknowledged within a minute goes out again, over the same link', async () => {
  using folder = tempFolder();
  await using hub = await bareCore(folder.path);
  const { core } = hub;
  await core.identities.create({ deviceId: 'gw' });
  const sent: string[] = [];
  const settle: ((acknowledged: boolean) => void)[] = [];
  const link: IdentityLink = {
    ...{ id: 'gw', generationId: '', publish: () => {}, end: () => {} },
    listens: (feature) => (feature === 'messages' ? 1 : undefined),
    deliver(_topic, body, settled) {
      sent.push(Buffer.from(body).toString());
      settle.push(settled);
    },
  };
  core.links.add(link);
  for (let i = 0; i < 12; i++) await core.messages.enqueue('gw', { body: Buffer.from(String(i)) });
  // Bounded: eight are under way.
  expect(sent).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  core.messages.check(Date.now() + 30_000);
  expect(sent).toHaveLength(8);
  core.messages.check(Date.now() + 61_000);
  expect(sent.slice(8)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
  for (const settled of settle.splice(0)) settled(true);
  await expect.poll(() => core.identities.get({ deviceId: 'gw' })?.cloudToDeviceMessageCount).toBe(4);
  expect(sent.slice(16)).toEqual(['8', '9', '10', '11']);
  for (const settled of settle) settled(false);
  expect(core.identities.get({ deviceId: 'gw' })?.cloudToDeviceMessageCount).toBe(4);
});

test('a hub that stops leaves nobody waiting for a method', async () => {
  using folder = tempFolder();
  const waiting = await (async () => {
    await using hub = await bareCore(folder.path);
    const { core } = hub;
    await core.identities.create({ deviceId: 'gw' });
    const toConnect = core.methods.invoke({ deviceId: 'gw' }, { name: 'm', connectTimeoutMs: 60_000 });
    const aborted = core.methods.invoke({ deviceId: 'gw' }, { name: 'm', connectTimeoutMs: 60_000 }, AbortSignal.timeout(10));
    await expect(aborted).rejects.toMatchObject({ status: 503 });
    const listening = { id: 'gw', generationId: '', publish: () => {}, end: () => {}, deliver: () => {}, listens: () => 0 as const };
    core.links.add(listening);
    const toAnswer = core.methods.invoke({ deviceId: 'gw' }, { name: 'm' });
    return Promise.allSettled([toConnect, toAnswer]);
  })();
  for (const outcome of waiting) expect(outcome).toMatchObject({ reason: { status: 503 } });
});

describe('events', () => {
  test('are in one partition by device, in order, as they were sent, with who sent them', async () => {
    using folder = tempFolder();
    await using hub = await bareCore(folder.path);
    const { core } = hub;
    const { generationId } = await core.identities.create({ deviceId: 'edge' });
    await core.identities.create({ deviceId: 'edge', moduleId: 'filter' });
    let told = 0;
    using _listening = core.events.onStored(() => told++);
    const long = JSON.stringify({ filler: 'x'.repeat(2_000) });
    await hub.telemetry('edge', long, { '$.mid': 'm-1', '$.ct': 'application/json', '$.ce': 'utf-8', alarm: '1' });
    await hub.telemetry('edge', '{}', { '$.cmid': 'filter', '$.on': 'out1' });
    for (let i = 0; i < 20; i++) await hub.telemetry(`d-${i}`, '{}', {});
    expect(told).toBeGreaterThan(0);
    const all = core.events.partitionIds.flatMap((id) => core.events.read(id, 0).map((event) => ({ id, event })));
    expect(all).toHaveLength(22);
    expect(new Set(all.map(({ id }) => id)).size).toBeGreaterThan(1);
    const [first, second] = all.filter(({ event }) => event.annotations['iothub-connection-device-id'] === 'edge');
    expect(second?.id).toBe(first?.id);
    expect(first?.event).toMatchObject({
      system: { 'message-id': 'm-1', 'content-type': 'application/json', 'content-encoding': 'utf-8' },
      properties: { alarm: '1' },
      annotations: {
        'iothub-connection-auth-generation-id': generationId,
        'iothub-connection-auth-method': '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
        'iothub-message-source': 'Telemetry',
      },
    });
    expect(Buffer.from(first?.event.body ?? []).toString()).toBe(long);
    expect(second?.event.annotations).toMatchObject({ 'iothub-connection-module-id': 'filter', 'iothub-outputname': 'out1' });
    for (const id of core.events.partitionIds) {
      const events = core.events.read(id, 0);
      const numbers = events.map(({ sequenceNumber }) => sequenceNumber);
      expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
      expect(core.events.partition(id)).toMatchObject({
        empty: events.length === 0,
        firstSequenceNumber: numbers[0] ?? 0,
        lastSequenceNumber: numbers.at(-1) ?? -1,
      });
    }
    expect(core.events.partition('9')).toBeUndefined();
    expect(core.events.read('9', 0)).toEqual([]);
  });

  test('a reader begins at the earliest, the latest, a number or a time', async () => {
    using folder = tempFolder();
    await using hub = await bareCore(folder.path);
    const { events } = hub.core;
    for (const ms of [1_000, 2_000, 2_000, 3_000]) await hub.telemetry('d', '{}', {}, ms);
    const id = events.partitionIds.find((one) => events.read(one, 0).length > 0) as string;
    const left = (position: Parameters<typeof events.locate>[1]): number => events.read(id, events.locate(id, position)).length;
    expect(left('earliest')).toBe(4);
    expect(left('latest')).toBe(0);
    expect(left({ afterSequenceNumber: 1 })).toBe(3);
    expect(left({ afterSequenceNumber: 1, inclusive: true })).toBe(4);
    expect([999, 1_000, 1_500, 2_000, 2_999, 3_000].map((enqueuedAfterMs) => left({ enqueuedAfterMs }))).toEqual([4, 3, 3, 1, 1, 0]);
  });
});

describe('topics', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.stringMatching(/^[$\w/?&=%#+]*$/),
    fc.string().map((text) => `devices/d/messages/events/${text}`),
    fc.string().map((text) => `$iothub/twin/PATCH/properties/reported/?$rid=${text}`),
    fc.string().map((text) => `$iothub/methods/res/200/?$rid=${text}`),
  );

  test('whatever is published is a topic of this identity, or none; never an error', () => {
    fc.assert(
      fc.property(hostile, (topic) => {
        const bag = parseTelemetryTopic(topic, 'devices/d');
        expect(bag === undefined || topic.startsWith('devices/d/messages/events')).toBe(true);
        const request = parseRequestTopic(topic);
        expect(request === undefined || topic.startsWith('$iothub/')).toBe(true);
        expect((request?.rid ?? '').length).toBeLessThanOrEqual(1024);
      }),
    );
  });

  test('a device hears nothing of another one, nor of its modules', () => {
    const all = [{ deviceId: 'd' }, { deviceId: 'd', moduleId: 'm' }, { deviceId: 'd2' }].map((name) =>
      Object.values(featureFilters(name)).flat(),
    );
    const own = all.map((filters) => filters.filter((filter) => !filter.startsWith('$')));
    expect(new Set(own.flat()).size).toBe(own.flat().length);
    expect(parseTelemetryTopic('devices/d/modules/m/messages/events/', 'devices/d')).toBeUndefined();
    expect(parseTelemetryTopic('devices/d2/messages/events/', 'devices/d')).toBeUndefined();
  });

  test('packet ids are never used twice at once, nor 0', () => {
    const outgoing = new Outgoing();
    const ids = new Set<number>();
    const idOf = (packet: Buffer): number => packet.readUInt16BE(packet.length - 3);
    let acknowledged = 0;
    for (let i = 0; i < 65_535; i++) ids.add(idOf(outgoing.add('t', 'x', () => acknowledged++)));
    expect(ids.size).toBe(65_535);
    expect(ids.has(0)).toBe(false);
    outgoing.acknowledged(7);
    outgoing.acknowledged(7);
    outgoing.acknowledged(undefined);
    expect(acknowledged).toBe(1);
    expect(idOf(outgoing.add('t', 'x', () => {}))).toBe(7);
  });
});

/** A hub without listeners. */
async function bareCore(folder: string) {
  const db = openRegistry(folder);
  const store = await TelemetryStore.open({ folder, retention: { maxAgeMs: 1e15, maxBytes: 1e9 }, hardLimitBytes: 1e9 }, silentLog);
  const core = new Core({ folder, db, policies: openPolicies(folder), isOurName: () => true });
  store.onStored = () => core.events.stored();
  return {
    core,
    telemetry: (device: string, body: string, properties: Record<string, string>, arrivedMs = Date.now()) =>
      new Promise<void>((resolve, reject) =>
        store.append({ device, arrivedMs, properties, body: new Uint8Array(Buffer.from(body)) }, (error) =>
          error ? reject(error) : resolve(),
        ),
      ),
    async [Symbol.asyncDispose]() {
      core[Symbol.dispose]();
      await store.close();
      db.close();
    },
  };
}
