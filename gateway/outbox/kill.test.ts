import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { GapRecord, Outbox } from './contract.ts';
import { openOutbox } from './outbox.ts';
import { drain, eventsOf, killDestinations, plainOptions, settings, type TestEvent, take, unexplained } from './testing/support.ts';

const writer = fileURLToPath(new URL('./testing/kill-writer.ts', import.meta.url));
const kills = Number(process.env.DRAGOMAN_KILLS ?? 20);
/** Of two destinations: slower to set up. */
const killsOfTwo = Math.ceil(kills / 2);

interface Promised {
  readonly sequence: number;
  readonly n: string;
}

function lines(output: string, sign: string): Promised[] {
  // The last line may be half.
  return output
    .slice(0, output.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line.startsWith(sign))
    .map((line) => ({ sequence: Number(line.slice(sign.length, line.indexOf(' '))), n: line.slice(line.indexOf(' ') + 1) }));
}

test(`kill -9 at ${kills} random instants: nothing that was promised is missing, no number comes twice`, {
  timeout: 10_000 + kills * 3_000,
}, async () => {
  using folder = tempFolder();
  /** Everything that was ever promised or seen, by number. */
  const owner = new Map<number, string>();
  let [n, acknowledged] = [0, 0];
  const claim = ({ sequence, n: whose }: Promised): void => {
    expect(owner.get(sequence) ?? whose, `sequence ${sequence} came twice`).toBe(whose);
    owner.set(sequence, whose);
  };
  for (let round = 0; round < kills; round++) {
    const draining = round % 2 === 1;
    await using child = startChild(process.execPath, [writer, folder.path, String(n), draining ? 'drain' : '']);
    await child.line(/^\+/);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
    child.process.kill('SIGKILL');
    await child.exited;
    const promised = lines(child.output(), '+');
    const seen = lines(child.output(), '-');
    for (const one of [...promised, ...seen]) claim(one);
    n = Math.max(n, ...promised.map((p) => Number(p.n) + 1)) + 1_000_000;

    await using outbox = await openOutbox(settings(folder.path));
    const found = await drain(outbox);
    const numbers = found.map((e) => e.sequence);
    expect(numbers, 'in order').toEqual(numbers.toSorted((a, b) => a - b));
    for (const e of found) claim({ sequence: e.sequence, n: String(e.n ?? 'gap') });
    const here = new Set(numbers);
    const lastSeen = Math.max(acknowledged, ...seen.map((s) => s.sequence));
    const missing = promised.filter((p) => !here.has(p.sequence) && p.sequence > lastSeen);
    expect(missing, `round ${round}: promised and not there`).toEqual([]);
    expect(unexplained(found, lastSeen + 1, outbox.counters().nextSequence - 1)).toEqual([]);
    expect(outbox.counters()).toMatchObject({ pending: 0, dropped: 0 });
    acknowledged = outbox.counters().nextSequence - 1;
  }
  expect(owner.size).toBeGreaterThan(kills * 40);
});

/** Everything up to the end, acknowledged. */
async function drainOne(outbox: Outbox, name: string): Promise<TestEvent[]> {
  const cursor = outbox.cursor(name);
  const events: TestEvent[] = [];
  while (cursor.counters().position < outbox.counters().nextSequence - 1 || outbox.counters().pendingEvents > 0) {
    const batch = await take(outbox, plainOptions, 50, name);
    if (!batch) continue;
    events.push(...eventsOf(batch));
    cursor.acknowledge(batch, `${batch.lastSequence}`);
  }
  return events;
}

test(`kill -9 at ${killsOfTwo} random instants with a slow destination and one that refuses: each has its own truth`, {
  timeout: 10_000 + killsOfTwo * 3_000,
}, async () => {
  using folder = tempFolder();
  let [n, acknowledged, refusals] = [0, 0, 0];
  for (let round = 0; round < killsOfTwo; round++) {
    await using child = startChild(process.execPath, [writer, folder.path, String(n), 'two']);
    await child.line(round % 2 === 0 ? /^slow-/ : /^picky!/);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
    child.process.kill('SIGKILL');
    await child.exited;
    const promised = lines(child.output(), '+');
    n = Math.max(n, ...promised.map((p) => Number(p.n) + 1)) + 1_000_000;
    const printed = new Map(
      killDestinations.map(({ name }) => [name, [...lines(child.output(), `${name}-`), ...lines(child.output(), `${name}!`)]]),
    );
    const refused = lines(child.output(), 'picky!').filter((one) => /^\d/.test(one.n));

    await using outbox = await openOutbox(settings(folder.path, { destinations: killDestinations }));
    const places = new Map(killDestinations.map(({ name }) => [name, outbox.cursor(name).counters().position]));
    // The slow one refuses nothing: where it stands and the mark that it gave there are one.
    expect(outbox.cursor('slow').mark ?? '0').toBe(String(places.get('slow')));
    const found = new Map<string, TestEvent[]>();
    const slow = drainOne(outbox, 'slow');
    found.set('picky', await drainOne(outbox, 'picky'));
    found.set('slow', await slow);
    for (const { name } of killDestinations) {
      const numbers = found.get(name)!.map((e) => e.sequence);
      expect(numbers, 'in order').toEqual(numbers.toSorted((a, b) => a - b));
      const place = places.get(name)!;
      const seen = printed.get(name)!;
      expect(place, `${name} stands behind what it has finished`).toBeLessThanOrEqual(
        Math.max(acknowledged, ...seen.map((s) => s.sequence)),
      );
      const known = new Set([...numbers, ...seen.map((s) => s.sequence)]);
      expect(
        promised.filter((p) => !known.has(p.sequence)),
        `round ${round}: promised and not there for ${name}`,
      ).toEqual([]);
      // Whatever it had printed and the outbox does not remember comes again.
      expect(unexplained(found.get(name)!, place + 1, outbox.counters().nextSequence - 1)).toEqual([]);
    }
    const told = [
      ...[...found.values()].flatMap((events) => events.flatMap((e) => (e.gap ? [e.gap] : []))),
      ...[...printed.values()].flatMap((some) => some.flatMap((one) => (one.n.startsWith('{') ? [JSON.parse(one.n) as GapRecord] : []))),
    ].filter((gap) => gap.destination === 'picky' && gap.reason === 'rejected: not mine');
    const again = new Set(found.get('picky')!.map((e) => e.sequence));
    const untold = refused.filter(
      ({ sequence }) => !again.has(sequence) && !told.some((gap) => gap.firstSequence! <= sequence && gap.lastSequence! >= sequence),
    );
    expect(untold, `round ${round}: refused, not told and not there again`).toEqual([]);
    refusals += refused.length;
    expect(outbox.counters()).toMatchObject({ pending: 0, dropped: 0 });
    acknowledged = outbox.counters().nextSequence - 1;
  }
  expect(refusals).toBeGreaterThan(0);
});
