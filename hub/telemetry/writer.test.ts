import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import { makeFolder } from '../folder.ts';
import { silentLog } from '../log.ts';
import { readAccounts, unexplained } from './gaps.ts';
import { readTelemetry, removedTelemetry } from './reader.ts';
import { defaultRetention, Retention } from './retention.ts';
import { openTelemetry } from './schema.ts';
import { TelemetryStore } from './store.ts';
import { type IncomingMessage, TelemetryWriter } from './writer.ts';

const plenty = 1024 ** 3;
const event = (sequence: number, more: object = {}) => ({
  specversion: '1.0',
  id: `gw/life-1/${sequence}`,
  source: '/gw',
  type: 'dragoman.telemetry.v1',
  subject: 'cooker-1',
  time: new Date(sequence * 1000).toISOString(),
  sequence: String(sequence),
  ...more,
});
const message = (events: unknown, more: Partial<IncomingMessage> = {}): IncomingMessage => ({
  device: 'gw-1',
  arrivedMs: 5_000,
  properties: {},
  body: Buffer.from(JSON.stringify(events)),
  ...more,
});

function open(retention = defaultRetention, hardLimitBytes = plenty) {
  const folder = tempFolder();
  makeFolder(folder.path);
  const db = openTelemetry(folder.path, hardLimitBytes);
  const tidy = new Retention(db, retention);
  const close = (): void => {
    db.close();
    folder[Symbol.dispose]();
  };
  return { folder: folder.path, db, retention: tidy, writer: new TelemetryWriter(db, tidy), [Symbol.dispose]: close };
}

async function sequencesIn(folder: string, range: Parameters<typeof readTelemetry>[1] = {}): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for await (const stored of readTelemetry(folder, range)) found.push(Number(stored.event.sequence));
  return found;
}

test('a message that repeats some events keeps only the new ones in view', async () => {
  using store = open();
  store.writer.write([message([event(1), event(2)])]);
  expect(store.writer.write([message([event(2), event(3)])])).toMatchObject({ ok: true, events: 1, duplicates: 1 });
  expect(await sequencesIn(store.folder)).toEqual([1, 2, 3]);
  expect(await sequencesIn(store.folder, { duplicates: true })).toEqual([1, 2, 2, 3]);
  expect(store.writer.write([message([event(1), event(3)])])).toMatchObject({ ok: true, events: 0, duplicates: 2 });
  expect(await sequencesIn(store.folder, { duplicates: true })).toEqual([1, 2, 2, 3]);
});

test('a new life of the outbox counts from one again and is no duplicate', async () => {
  using store = open();
  store.writer.write([message([event(1), event(2)])]);
  store.writer.write([message([event(1, { id: 'gw/life-2/1', time: new Date(9_000).toISOString() })])]);
  expect(await sequencesIn(store.folder)).toEqual([1, 2, 1]);
});

test('another device cannot spoil the account of a gateway by its source', async () => {
  using store = open();
  store.writer.write([message([event(1), event(2)], { device: 'rogue' })]);
  store.writer.write([message([event(1), event(2)])]);
  expect(await sequencesIn(store.folder, { device: 'gw-1' })).toEqual([1, 2]);
});

test('a gap record explains what is missing; the rest stays unexplained, also after a restart', () => {
  using store = open();
  const times = (from: number, to: number) => ({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
  const gap = { ...times(100, 200), readings: 40, reason: 'overflow', firstSequence: '3', lastSequence: '5' };
  const unnumbered = { ...times(300, 400), readings: 7, reason: 'refused' };
  store.writer.write([message([event(1), event(2), event(6, { type: 'dragoman.gap.v1', data: gap })])]);
  store.writer.write([message([event(8), event(9, { type: 'dragoman.gap.v1', data: unnumbered })])]);
  new TelemetryWriter(store.db, store.retention).write([message([event(10)])]);
  const [account] = readAccounts(store.folder);
  expect(account).toMatchObject({ epoch: 'gw/life-1', firstSequence: 1, lastSequence: 10, events: 6 });
  expect(account?.unnumbered).toEqual([{ fromMs: 300, toMs: 400, readings: 7, reason: 'refused' }]);
  expect(account?.missing).toEqual([
    { first: 3, last: 5, fromMs: 100, toMs: 200, reason: 'overflow', readings: 40 },
    { first: 7, last: 7, fromMs: 6_000, toMs: 8_000 },
  ]);
  expect(unexplained(account!)).toHaveLength(1);
});

test.for([
  { rule: 'from is inclusive, to is exclusive', range: { from: 2_000, to: 4_000 }, found: [2, 3] },
  { rule: 'by device', range: { device: 'else' }, found: [9] },
  { rule: 'by equipment', range: { equipment: 'mixer-1' }, found: [4] },
  { rule: 'everything', range: {}, found: [1, 2, 3, 4, 9] },
])('query: $rule', async ({ range, found }) => {
  using store = open();
  store.writer.write([
    message([event(1), event(2)]),
    message([event(3), event(4, { subject: 'mixer-1' })]),
    message(event(9), { device: 'else' }),
  ]);
  expect(await sequencesIn(store.folder, range)).toEqual(found);
});

test('odd events are kept: no sequence, no time, a sequence that is none, a gap without data', async () => {
  using store = open();
  const odd = [
    event(1, { sequence: undefined, time: undefined }),
    event(1, { sequence: 'x', time: 'yesterday' }),
    event(1, { sequence: '99999999999999999' }),
    event(1, { type: 'dragoman.gap.v1', data: null }),
    event(2, { type: 'dragoman.gap.v1', data: { from: 'x', readings: -1 } }),
    event(3, { subject: 7, source: 'x'.repeat(2_000) }),
  ];
  expect(store.writer.write([message(odd), message([])])).toMatchObject({ ok: true, events: 6, duplicates: 0, unread: 1 });
  expect(await sequencesIn(store.folder)).toHaveLength(7);
});

test('a full disk: nothing of the batch is taken, the account neither, and it goes on when there is room', async () => {
  const hard = 600_000;
  using store = open(defaultRetention, hard);
  const noise = (sequence: number): IncomingMessage =>
    message(event(sequence, { data: Array.from({ length: 40_000 }, () => Math.floor(Math.random() * 1e9)).join() }));
  let sequence = 1;
  let outcome = store.writer.write([noise(sequence)]);
  while (outcome.ok) outcome = store.writer.write([noise(++sequence)]);
  expect(outcome).toMatchObject({ code: 'disk-full' });
  const before = await sequencesIn(store.folder);
  expect(before).toEqual(Array.from({ length: sequence - 1 }, (_, index) => index + 1));
  expect(readAccounts(store.folder)[0]?.lastSequence).toBe(sequence - 1);
  const tidy = new Retention(store.db, { maxAgeMs: defaultRetention.maxAgeMs, maxBytes: 1 });
  tidy.sweep(10_000);
  expect(new TelemetryWriter(store.db, tidy).write([noise(sequence)])).toMatchObject({ ok: true, duplicates: 0 });
});

test.for([
  { rule: 'age', maxAgeMs: 1_000, keepBytes: 1, left: [3] },
  { rule: 'size', maxAgeMs: 100_000, keepBytes: 0.7, left: [2, 3] },
])('retention by $rule removes the oldest and says so', async ({ rule, maxAgeMs, keepBytes, left }) => {
  using store = open();
  for (const sequence of [1, 2, 3]) store.writer.write([message(event(sequence), { arrivedMs: sequence * 1_000 })]);
  const tidy = new Retention(store.db, { maxAgeMs, maxBytes: store.retention.bytes * keepBytes });
  while (tidy.sweep(3_500));
  expect(await sequencesIn(store.folder)).toEqual(left);
  expect(removedTelemetry(store.folder)).toMatchObject([{ reason: rule, events: 3 - left.length, firstMs: 1_000 }]);
  expect(readAccounts(store.folder)[0]?.missing).toEqual([]);
});

test('the store tells each sender in order, refuses when the disk is full, and says so once', async () => {
  using folder = tempFolder();
  const said: string[] = [];
  const log = { ...silentLog, error: (_: object, text: string) => said.push(text) };
  const store = await TelemetryStore.open({ folder: folder.path, retention: defaultRetention, hardLimitBytes: 700_000 }, log);
  const outcomes: (string | undefined)[] = [];
  for (let i = 0; i < 40; i++) {
    const body = new Uint8Array(Buffer.from(Array.from({ length: 20_000 }, () => String.fromCharCode(33 + Math.random() * 90)).join('')));
    await new Promise<void>((resolve) =>
      store.append({ device: 'd', arrivedMs: Date.now(), properties: {}, body }, (error) => {
        outcomes.push(error?.code);
        resolve();
      }),
    );
  }
  await store.close();
  expect(outcomes[0]).toBeUndefined();
  expect(outcomes.at(-1)).toBe('hub-disk-full');
  expect(said).toEqual(['no room for telemetry: it is refused, and gateways keep theirs']);
});
