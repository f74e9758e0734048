import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { WriteReport } from './contract.ts';
import { type Known, WriteJournal } from './journal.ts';

const day = 86_400_000;
const start = Date.UTC(2026, 10, 24);
const intent = (key: string, over: Partial<Known> = {}): Omit<Known, 'report' | 'sent'> => ({
  key,
  equipment: 'cooker-1',
  point: 'setpoint',
  value: 60,
  who: 'anna',
  from: 'method',
  atMs: start,
  untilMs: start + day,
  ...over,
});
const done: WriteReport = { outcome: 'done', reason: 'the machine confirmed it', new: 60 };
const no: WriteReport = { outcome: 'refused', guard: 'range', reason: 'above max', new: 60 };

test('an intent is on disk when it resolves', async () => {
  using folder = tempFolder();
  await using journal = await WriteJournal.open(folder.path);
  await Promise.all(['a', 'b', 'c'].map((key) => journal.intent(intent(key))));
  const lines = readFileSync(join(folder.path, 'writes.jsonl'), 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as Known).key)).toEqual(['a', 'b', 'c']);
});

test('what was settled, what was not, and what was refused is known after a restart', async () => {
  using folder = tempFolder();
  {
    await using journal = await WriteJournal.open(folder.path, () => start);
    await journal.intent(intent('settled'));
    journal.outcome(journal.get('settled')!, done);
    await journal.intent(intent('open'));
    journal.outcome({ ...intent('refused'), sent: false }, no);
  }
  await using journal = await WriteJournal.open(folder.path, () => start);
  expect([...journal.all()].map(({ key, sent, report }) => [key, sent, report?.outcome])).toEqual([
    ['settled', true, 'done'],
    ['open', true, undefined],
    ['refused', false, 'refused'],
  ]);
});

test('a day after its expiry a key is forgotten, but never one whose outcome is not known yet', async () => {
  using folder = tempFolder();
  {
    await using journal = await WriteJournal.open(folder.path, () => start);
    await journal.intent(intent('settled'));
    journal.outcome(journal.get('settled')!, done);
    await journal.intent(intent('open'));
  }
  await using journal = await WriteJournal.open(folder.path, () => start + day + 1);
  expect([...journal.all()].map(({ key }) => key)).toEqual(['open']);
});

test.for<[string, string]>([
  ['a line that was cut off', '{"key":"c","equip'],
  ['a line that is none', 'hello\n'],
  ['zeros, as some disks leave them after a loss of power', '\0\0\0\0\0\0'],
])('%s loses no other', async ([, garbage]) => {
  using folder = tempFolder();
  {
    await using journal = await WriteJournal.open(folder.path, () => start);
    await journal.intent(intent('a'));
  }
  appendFileSync(join(folder.path, 'writes.jsonl'), garbage);
  await using journal = await WriteJournal.open(folder.path, () => start);
  await journal.intent(intent('b'));
  expect([...journal.all()].map(({ key }) => key)).toEqual(['a', 'b']);
});

test('a file that is no journal is no reason not to start', async () => {
  using folder = tempFolder();
  writeFileSync(join(folder.path, 'writes.jsonl'), 'null\n[]\n{"key":1}\n"x"\n');
  await using journal = await WriteJournal.open(folder.path);
  expect([...journal.all()]).toEqual([]);
});

test('bounded: refused ones make room, what was sent does not, and then nothing new is taken', async () => {
  using folder = tempFolder();
  const lines = (count: number, sent: boolean, report?: WriteReport): string =>
    Array.from(
      { length: count },
      (_, i) => `${JSON.stringify({ ...intent(`${sent ? 's' : 'r'}${i}`), sent, ...(report && { report }) })}\n`,
    ).join('');
  writeFileSync(join(folder.path, 'writes.jsonl'), lines(9_998, true, done) + lines(2, false, no));
  let now = start;
  await using journal = await WriteJournal.open(folder.path, () => now);
  await journal.intent(intent('new'));
  await journal.intent(intent('newer'));
  await expect(journal.intent(intent('one too many'))).rejects.toThrow(/10000 writes of the last day are remembered/);
  expect(journal.get('one too many')).toBeUndefined();
  expect([...journal.all()]).toHaveLength(10_000);
  // The next day there is room again; the two that are open stay.
  now = start + day + 1;
  await journal.intent(intent('tomorrow', { untilMs: now + day }));
  expect([...journal.all()].map(({ key }) => key)).toEqual(['new', 'newer', 'tomorrow']);
});

test('the file is written anew when it has grown', async () => {
  using folder = tempFolder();
  await using journal = await WriteJournal.open(folder.path, () => start);
  const value = 'x'.repeat(100_000);
  for (let i = 0; i < 50; i++) {
    await journal.intent(intent('same', { value }));
    journal.outcome(journal.get('same')!, done);
  }
  expect(statSync(join(folder.path, 'writes.jsonl')).size).toBeLessThan(5_000_000);
  expect(journal.get('same')?.report).toEqual(done);
});
