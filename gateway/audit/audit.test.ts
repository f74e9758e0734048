import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { AuditEntry, AuditRecord } from './entry.ts';
import { exportEntries } from './export.ts';
import { AuditLog } from './log.ts';
import { redacted } from './redact.ts';
import { segmentsOf } from './segments.ts';
import { entriesOf } from './show.ts';
import { verify } from './verify.ts';

const record = (target: string, more: Partial<AuditRecord> = {}): AuditRecord => ({
  kind: 'write',
  action: 'write',
  who: 'anna',
  from: 'method',
  target,
  old: 50,
  new: 60,
  outcome: 'done',
  ...more,
});

async function filled(folder: string, count: number, segmentBytes?: number): Promise<void> {
  await using log = await AuditLog.open(folder, { ...(segmentBytes && { segmentBytes }) });
  for (let i = 1; i <= count; i++) await log.append(record(`cooker-1/p${i}`));
}

const file = (folder: string, number = 1): string => join(folder, `audit-00000${number}.jsonl`);
const linesIn = (path: string): string[] => readFileSync(path, 'utf8').trimEnd().split('\n');
const write = (path: string, lines: readonly string[]): void => writeFileSync(path, `${lines.join('\n')}\n`);

async function all(folder: string, filter = {}): Promise<AuditEntry[]> {
  return Array.fromAsync(entriesOf(folder, filter));
}

test('entries are numbered, dated and chained, over restarts and files', async () => {
  using folder = tempFolder();
  await filled(folder.path, 5, 400);
  await filled(folder.path, 5, 400);
  const entries = await all(folder.path);
  expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(entries[0]).toMatchObject({
    kind: 'write',
    who: 'anna',
    from: 'method',
    target: 'cooker-1/p1',
    old: 50,
    new: 60,
    outcome: 'done',
    previous: '0'.repeat(64),
  });
  expect(entries.slice(1).every(({ previous }, i) => previous === entries[i]!.hash)).toBe(true);
  expect(await verify(folder.path)).toEqual({ entries: 10, head: { sequence: 10, hash: entries[9]!.hash }, problems: [], notes: [] });
});

test('many at once are all there, in the order of their calls', async () => {
  using folder = tempFolder();
  await using log = await AuditLog.open(folder.path);
  const heard: number[] = [];
  using _listening = log.onEntry(({ sequence }) => heard.push(sequence));
  const entries = await Promise.all(Array.from({ length: 200 }, (_, i) => log.append(record(`t${i}`))));
  expect(entries.map(({ target }) => target)).toEqual(Array.from({ length: 200 }, (_, i) => `t${i}`));
  expect(heard).toEqual(entries.map(({ sequence }) => sequence));
  expect((await verify(folder.path)).problems).toEqual([]);
});

describe('what verify finds', () => {
  test.for<[string, (lines: string[]) => string[], RegExp]>([
    ['a changed value', (lines) => lines.with(2, lines[2]!.replace('"new":60', '"new":61')), /^audit-000001\.jsonl:3: it was changed/],
    ['a changed name', (lines) => lines.with(1, lines[1]!.replace('anna', 'otto')), /:2: it was changed/],
    ['a space', (lines) => lines.with(1, lines[1]!.replace('"new":60', '"new": 60')), /:2: it was changed/],
    ['a removed line', (lines) => lines.toSpliced(2, 1), /:3: entry 3 was removed before it/],
    ['two removed lines', (lines) => lines.toSpliced(1, 2), /:2: entries 2 to 3 were removed before it/],
    ['a removed end', (lines) => lines.slice(0, 4), /^the end: entry 5 was removed, head\.json knows of them/],
    ['a removed beginning', (lines) => lines.slice(1), /:1: entry 1 was removed before it/],
    ['two lines swapped', (lines) => [lines[0]!, lines[2]!, lines[1]!, lines[3]!, lines[4]!], /reordered/],
    ['a line repeated', (lines) => lines.toSpliced(2, 0, lines[1]!), /:3: entry 2 stands after entry 2/],
    ['something put between', (lines) => lines.toSpliced(2, 0, 'hello'), /:3: it is no entry/],
    ['a line cut short', (lines) => lines.with(2, lines[2]!.slice(0, 50)), /:3: it is no entry/],
  ])('%s', async ([, change, found]) => {
    using folder = tempFolder();
    await filled(folder.path, 5);
    write(file(folder.path), change(linesIn(file(folder.path))));
    const { problems } = await verify(folder.path);
    expect(problems[0]).toMatch(found);
  });

  test('one changed line is one problem, not a row of them', async () => {
    using folder = tempFolder();
    await filled(folder.path, 5);
    write(
      file(folder.path),
      linesIn(file(folder.path)).map((line) => line.replace('p3"', 'p9"')),
    );
    expect((await verify(folder.path)).problems).toEqual(['audit-000001.jsonl:3: it was changed: its hash does not fit']);
  });

  test('a file that is missing, and a head that is missing', async () => {
    using folder = tempFolder();
    await filled(folder.path, 6, 400);
    rmSync(file(folder.path, 2));
    rmSync(join(folder.path, 'head.json'));
    const { problems } = await verify(folder.path);
    expect(problems).toEqual([
      expect.stringMatching(/^audit-000003\.jsonl: the file before it is missing/),
      expect.stringMatching(/removed before it$/),
      'head.json is missing',
    ]);
  });

  test('any byte that is changed', async () => {
    using folder = tempFolder();
    await filled(folder.path, 4);
    const sound = readFileSync(file(folder.path));
    await fc.assert(
      fc.asyncProperty(fc.nat(sound.length - 1), fc.integer({ min: 1, max: 127 }), async (at, flip) => {
        const changed = Buffer.from(sound);
        changed[at]! ^= flip;
        writeFileSync(file(folder.path), changed);
        expect((await verify(folder.path)).problems).not.toEqual([]);
      }),
      { numRuns: 100 },
    );
  });
});

test('half an entry of a killed process is noted, and the chain goes on', async () => {
  using folder = tempFolder();
  await filled(folder.path, 2);
  appendFileSync(file(folder.path), '{"sequence":3,"time":"2026-11');
  expect(await verify(folder.path)).toMatchObject({ problems: [], notes: [expect.stringMatching(/:3: 29 characters of an entry/)] });
  await filled(folder.path, 1);
  const verdict = await verify(folder.path);
  expect(verdict).toMatchObject({ entries: 4, problems: [], notes: [expect.stringMatching(/:3: an entry that was cut off/)] });
  expect((await all(folder.path)).map(({ action }) => action)).toEqual(['write', 'write', 'continued after a torn entry', 'write']);
});

test('killed again before it could note that', async () => {
  using folder = tempFolder();
  await filled(folder.path, 2);
  appendFileSync(file(folder.path), '{"sequence":3,"time"\n');
  await filled(folder.path, 1);
  expect(await verify(folder.path)).toMatchObject({ entries: 4, problems: [] });
});

test('an entry that lacks only its line end counts', async () => {
  using folder = tempFolder();
  await filled(folder.path, 3);
  writeFileSync(file(folder.path), readFileSync(file(folder.path), 'utf8').trimEnd());
  expect(await verify(folder.path)).toMatchObject({ entries: 3, problems: [] });
  await filled(folder.path, 1);
  expect(await verify(folder.path)).toMatchObject({ entries: 5, problems: [] });
});

test('a last line that was changed does not hide behind what follows', async () => {
  using folder = tempFolder();
  await filled(folder.path, 3);
  write(
    file(folder.path),
    linesIn(file(folder.path)).map((line) => line.replace('p3"', 'p9"')),
  );
  await filled(folder.path, 2);
  expect((await verify(folder.path)).problems).toEqual(['audit-000001.jsonl:3: it was changed: its hash does not fit']);
});

test('the oldest files go, the log says so, and what goes otherwise is found', async () => {
  using folder = tempFolder();
  for (let i = 0; i < 8; i++) {
    await using log = await AuditLog.open(folder.path, { segmentBytes: 400, mostSegments: 3 });
    for (let k = 0; k < 4; k++) await log.append(record(`r${i}-${k}`));
  }
  const verdict = await verify(folder.path);
  expect(verdict).toMatchObject({
    problems: [],
    notes: [expect.stringMatching(/the log begins with entry \d+; older ones were dropped, as it notes itself/)],
  });
  const entries = await all(folder.path);
  expect(entries.length).toBeLessThan(15);
  const dropped = entries.findLast(({ action }) => action === 'dropped the oldest entries')!;
  expect(entries[0]!.sequence).toBe(Number(dropped.details!.through) + 1);
  const [oldest] = await segmentsOf(folder.path);
  rmSync(oldest!.file);
  expect((await verify(folder.path)).problems[0]).toMatch(/entries 1 to \d+ were removed before it/);
});

test('one process a folder', async () => {
  using folder = tempFolder();
  await using _log = await AuditLog.open(folder.path);
  await expect(AuditLog.open(folder.path)).rejects.toMatchObject({ code: 'outbox-in-use' });
});

test('kill -9 in the middle: every confirmed entry is there, and the chain is whole', async () => {
  using folder = tempFolder();
  let confirmed = 0;
  for (let round = 0; round < 3; round++) {
    const child = startChild(process.execPath, [join(import.meta.dirname, 'testcases', 'append-for-ever.ts'), folder.path]);
    await child.line(/^20 /);
    child.process.kill('SIGKILL');
    await child.exited;
    confirmed = Number(child.output().trimEnd().split('\n').at(-1)!.split(' ')[1]);
  }
  await filled(folder.path, 1);
  const { problems, entries } = await verify(folder.path);
  expect(problems).toEqual([]);
  expect(entries).toBeGreaterThan(100);
  expect(confirmed).toBeLessThanOrEqual(entries);
}, 30_000);

test.for<[string, Partial<AuditRecord>, string[]]>([
  ['a name', { details: { password: 'hunter22', user: 'anna' } }, ['hunter22']],
  ['a connection string', { new: 'HostName=h;SharedAccessKey=c2VjcmV0;DeviceId=d' }, ['c2VjcmV0']],
  ['a signature', { new: 'SharedAccessSignature sr=h&sig=AbC%3D&se=1' }, ['AbC%3D']],
  ['a private key', { new: '-----BEGIN PRIVATE KEY-----\nMIIsecret\n-----END PRIVATE KEY-----' }, ['MIIsecret']],
  ['a token', { reason: 'sent Authorization: Bearer eyJhbGciOi.abc' }, ['eyJhbGciOi']],
  ['a password in a URL', { reason: 'mqtt://anna:hunter22@10.0.0.5' }, ['hunter22']],
  ['within groups and lists', { new: { hub: { dps: { groupKey: 'zzz' } }, users: [{ passphrase: 'yyy' }] } }, ['zzz', 'yyy']],
])('no secret gets in: %s', async ([, more, secrets]) => {
  using folder = tempFolder();
  await using log = await AuditLog.open(folder.path);
  await log.append(record('x', more));
  const text = readFileSync(file(folder.path), 'utf8');
  for (const secret of secrets) expect(text).not.toContain(secret);
  expect(text).toContain('redacted');
});

test('what names a secret may stay, and what has no end is cut', () => {
  expect(redacted(record('x', { new: { password: { file: './secrets/mixer' } } })).new).toEqual({ password: { file: './secrets/mixer' } });
  expect(redacted(record('x', { new: 'y'.repeat(10_000) })).new).toHaveLength(2_000 + ' [8000 more characters]'.length);
  expect(redacted(record('x', { new: 5n, old: [1n, 'a'] }))).toMatchObject({ new: '5', old: ['1', 'a'] });
});

test('filters', async () => {
  using folder = tempFolder();
  await using log = await AuditLog.open(folder.path);
  await log.append(record('cooker-1/setpoint'));
  await log.append(record('mixer-1/speed', { who: 'rule stop', outcome: 'refused' }));
  await log.append(record('4', { kind: 'configuration', action: 'rollback' }));
  const found = async (filter: object) => (await all(folder.path, filter)).map(({ sequence }) => sequence);
  expect(await found({ kind: ['configuration'] })).toEqual([3]);
  expect(await found({ who: 'RULE' })).toEqual([2]);
  expect(await found({ target: 'cooker' })).toEqual([1]);
  expect(await found({ outcome: 'refused' })).toEqual([2]);
  expect(await found({ sinceMs: Date.now() + 60_000 })).toEqual([]);
  expect(await found({ after: 1 })).toEqual([2, 3]);
});

test('what comes after an entry is found in whichever file it stands', async () => {
  using folder = tempFolder();
  await filled(folder.path, 12, 700);
  for (let after = 0; after <= 12; after++) {
    const numbers = (await all(folder.path, { after })).map(({ sequence }) => sequence);
    expect(numbers).toEqual(Array.from({ length: 12 - after }, (_, i) => after + 1 + i));
  }
});

test('the export sends each entry once over restarts, and keeps what the receiver does not take', async () => {
  using folder = tempFolder();
  await filled(folder.path, 2);
  const sent: number[] = [];
  const run = async (until: number, fail = false) => {
    await using log = await AuditLog.open(folder.path);
    const stop = new AbortController();
    let failed = false;
    const exporting = exportEntries(
      log,
      async ({ sequence }) => {
        if (fail && !failed) {
          failed = true;
          throw new Error('full');
        }
        sent.push(sequence);
        if (sequence === until) stop.abort();
      },
      stop.signal,
    );
    await log.append(record('live'));
    await exporting;
  };
  await run(3);
  await run(4, true);
  expect(sent).toEqual([1, 2, 3, 4]);
});
