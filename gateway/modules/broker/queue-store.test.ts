import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RoutedMessage, RouteTarget } from '../../../deployments/contract.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { QueueStore } from './queue-store.ts';
import { type Change, openQueues, QueueWriter } from './queue-writer.ts';

const message = (body: string): RoutedMessage => ({
  source: '/messages/modules/source',
  body: Buffer.from(body),
  properties: { kind: 'log' },
  system: { contentType: 'text/plain' },
});
const upstream = (timeToLiveSecs = 60): RouteTarget => ({ endpoint: { kind: 'upstream' }, priority: 3, timeToLiveSecs, route: 'r' });

test('keeps messages whole and in order, reads them by number and by bytes, and takes them off', async () => {
  using folder = tempFolder();
  await using store = await QueueStore.open(folder.path);
  await Promise.all(['1', '2', '3'].map((body) => store.add(message(body), [upstream(), { ...upstream(-1), priority: 0 }], 1_000)));
  const next = (bytes: number) => store.next('$upstream', 3, 0, { messages: 10, bytes });
  expect(next(1_000).map((waiting) => ({ ...waiting, body: Buffer.from(waiting.message.body).toString() }))).toMatchObject([
    { body: '1', expiresMs: 61_000, message: { source: '/messages/modules/source', properties: { kind: 'log' } } },
    { body: '2' },
    { body: '3' },
  ]);
  expect(next(1)).toHaveLength(1);
  expect(next((next(1)[0]?.bytes ?? 0) * 2)).toHaveLength(2);
  expect(store.next('$upstream', 0, 0, { messages: 2, bytes: 1_000 })).toMatchObject([{ expiresMs: undefined }, {}]);
  await store.remove(next(1)[0]?.id as number);
  expect(next(1_000)).toHaveLength(2);
  expect(store.sums()).toMatchObject([{ endpoint: '$upstream', messages: 5 }]);
});

test('a message that is lost is counted once, whoever says it how often, and outlives its queue', async () => {
  using folder = tempFolder();
  {
    await using store = await QueueStore.open(folder.path);
    await store.add(message('1'), [upstream()], 1_000);
    const id = store.next('$upstream', 3, 0, { messages: 1, bytes: 1 })[0]?.id as number;
    const lost = { endpoint: '$upstream', why: 'expired' } as const;
    await Promise.all([store.remove(id, lost), store.remove(id, lost)]);
  }
  await using store = await QueueStore.open(folder.path);
  expect(store.sums()).toEqual([{ endpoint: '$upstream', messages: 0, bytes: 0, losses: { expired: 1, refused: 0, removed: 0 } }]);
});

test('what waited upstream in a version before waits with its module now, each message once', async () => {
  using folder = tempFolder();
  {
    using db = openQueues(join(folder.path, 'queues.db'));
    db.exec('PRAGMA synchronous=OFF');
    const insert = db.prepare(
      "INSERT INTO queue (endpoint, priority, size, source, properties, system, body) VALUES (?, 0, 9, '', '{}', ?, ?)",
    );
    for (let n = 0; n < 2_500; n++)
      insert.run('$upstream', JSON.stringify({ connectionModuleId: n % 2 === 0 ? 'a' : 'b.c' }), Buffer.from(`${n}`));
    insert.run('$upstream', '{}', Buffer.from('of nobody'));
    insert.run('modules/a/inputs/in', '{"connectionModuleId":"b"}', Buffer.from('to a'));
  }
  for (let life = 0; life < 2; life++) {
    await using store = await QueueStore.open(folder.path);
    expect(store.sums().map(({ endpoint, messages }) => [endpoint, messages])).toEqual([
      ['$upstream', 1],
      ['$upstream/a', 1_250],
      ['$upstream/b.c', 1_250],
      ['modules/a/inputs/in', 1],
    ]);
    const own = store.next('$upstream/b.c', 0, 0, { messages: 2, bytes: 1_000 });
    expect(own.map(({ message }) => Buffer.from(message.body).toString())).toEqual(['1', '3']);
  }
});

test('numbers of messages do not come again in a new file', async () => {
  const first = async (): Promise<number> => {
    using folder = tempFolder();
    await using store = await QueueStore.open(folder.path);
    await store.add(message('1'), [upstream()], 1_000);
    return store.next('$upstream', 3, 0, { messages: 1, bytes: 1 })[0]?.id as number;
  };
  expect(await first()).toBeLessThan(await first());
});

test('a full disk refuses what comes, takes off what goes, and has room again then', () => {
  using folder = tempFolder();
  const db = openQueues(join(folder.path, 'queues.db'));
  db.exec('PRAGMA max_page_count=40');
  const writer = new QueueWriter(db);
  const add: Change = {
    kind: 'add',
    targets: [{ endpoint: '$upstream', priority: 0, expiresMs: undefined }],
    ...{ bytes: 20_000, source: '/messages', properties: '{}', system: '{}', body: new Uint8Array(20_000) },
  };
  let stored = 0;
  while (!writer.write([add])[0]) stored++;
  expect(stored).toBeGreaterThan(2);
  const ids = db.prepare('SELECT id FROM queue ORDER BY id LIMIT 2').all() as { id: number }[];
  const removals = ids.map(({ id }): Change => ({ kind: 'remove', id }));
  const outcomes = writer.write([removals[0] as Change, add, add, add, add, removals[1] as Change]);
  const full = { diskFull: true, reason: expect.stringContaining('full') };
  expect(outcomes).toEqual([undefined, full, full, full, full, undefined]);
  expect(db.prepare('SELECT count(*) AS n FROM queue').get()).toEqual({ n: stored - 2 });
  expect(writer.write([add])).toEqual([undefined]);
  db.close();
});
