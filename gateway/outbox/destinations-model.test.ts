import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { DestinationSettings, Outbox, OutboxBatch, OutboxSettings } from './contract.ts';
import { openOutbox } from './outbox.ts';
import { event, eventsOf, noise, settings, type TestEvent, take, unexplained } from './testing/support.ts';

/**
 * As model.test.ts, with three destinations that take, acknowledge, refuse and lose their links independently. With room for everything the
 * reference knows the state of each reading at each destination, and the outbox must agree to the reading; with little room
 * the sums must hold and in the end everybody must have got each number or a gap record for it.
 */
const destinations: readonly DestinationSettings[] = [
  { name: 'cloud', required: true },
  { name: 'plant', required: true },
  { name: 'extra', required: false },
];
const who = fc.nat(destinations.length - 1);
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append' as const), readings: fc.nat(50), size: fc.constantFrom(10, 300, 5_000, 60_000) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('next' as const),
      who,
      maxBodyBytes: fc.constantFrom(100, 6_000, 200_000),
      compressed: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), who, which: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reject' as const), who, which: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);
const runs = Number(process.env.DRAGOMAN_RUNS ?? 6);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** What one destination has done in this life of the process. */
class Taker {
  readonly name: string;
  readonly required: boolean;
  /** Where this life began. */
  from = 0;
  readonly finished = new Map<number, 'acked' | 'dropped'>();
  readonly arrived: TestEvent[] = [];
  under: OutboxBatch[] = [];
  handedThrough = 0;
  mark: string | undefined;

  constructor({ name, required }: DestinationSettings) {
    this.name = name;
    this.required = required;
  }

  finish(batch: OutboxBatch, how: 'acked' | 'dropped'): void {
    for (const { sequence } of eventsOf(batch)) if (!this.finished.has(sequence)) this.finished.set(sequence, how);
  }
}

class Reference {
  readonly takers = destinations.map((one) => new Taker(one));
  readonly readingsOf = new Map<number, number>();
  appended = 0;
  readings = 0;
  /** Readings that were offered in this life and did not get a number. */
  turnedAway = 0;
}

async function apply(step: Operation, outbox: Outbox, reference: Reference): Promise<void> {
  if (step.do === 'reopen') return;
  if (step.do === 'append') {
    const n = ++reference.appended;
    reference.readings += step.readings;
    const { encode, ...rest } = event(n, step.readings, noise(step.size, n));
    let number: number | undefined;
    const numbered = (sequence: number): string => {
      number = sequence;
      return encode(sequence);
    };
    await outbox.append({ ...rest, encode: numbered }).catch(() => {});
    if (number === undefined) reference.turnedAway += step.readings;
    else reference.readingsOf.set(number, step.readings);
    return;
  }
  const taker = reference.takers[step.who]!;
  const cursor = outbox.cursor(taker.name);
  switch (step.do) {
    case 'next': {
      const last = taker.under.at(-1)?.lastSequence ?? cursor.counters().position;
      if (last >= outbox.counters().nextSequence - 1) break;
      const batch = await cursor.next(step, AbortSignal.timeout(60));
      if (!batch) break;
      expect(batch.firstSequence).toBeGreaterThan(taker.handedThrough);
      taker.handedThrough = batch.lastSequence;
      taker.under.push(batch);
      break;
    }
    case 'acknowledge': {
      const through = taker.under.splice(0, step.which + 1);
      if (through.length === 0) break;
      const before = cursor.counters();
      const mark = `at ${through.at(-1)!.lastSequence}`;
      cursor.acknowledge(through.at(-1)!, mark);
      // Dropped while it was under way: neither position nor mark care any more.
      if (cursor.mark === mark) taker.mark = mark;
      taker.arrived.push(...through.flatMap(eventsOf));
      for (const batch of through) taker.finish(batch, 'acked');
      const gained = cursor.counters().acked - before.acked;
      expect(gained).toBeLessThanOrEqual(through.reduce((sum, b) => sum + b.readings, 0));
      break;
    }
    case 'reject': {
      const [batch] = taker.under.splice(step.which, 1);
      if (!batch) break;
      cursor.reject(batch, 'test');
      taker.finish(batch, 'dropped');
      break;
    }
    case 'rewind':
      cursor.rewind();
      taker.under = [];
      taker.handedThrough = 0;
      break;
    default:
  }
}

function holds(outbox: Outbox, reference: Reference): void {
  const all = [outbox.counters(), ...reference.takers.map(({ name }) => outbox.cursor(name).counters())];
  for (const { queued, acked, dropped, pending, droppedBy } of all) {
    expect(queued).toBe(acked + dropped + pending);
    expect(Math.min(acked, dropped, pending)).toBeGreaterThanOrEqual(0);
    expect(Object.values(droppedBy).reduce((sum, n) => sum + n, 0)).toBe(dropped);
  }
  for (const { name, mark } of reference.takers) expect(outbox.cursor(name).mark).toBe(mark);
}

/** Only where nothing is ever dropped for want of room. */
function agrees(outbox: Outbox, reference: Reference): void {
  const sum = (of: (sequence: number) => boolean): number =>
    [...reference.readingsOf].reduce((total, [sequence, readings]) => total + (of(sequence) ? readings : 0), 0);
  for (const { name, from, finished } of reference.takers) {
    expect(outbox.cursor(name).counters(), name).toMatchObject({
      queued: sum((s) => s > from),
      acked: sum((s) => s > from && finished.get(s) === 'acked'),
      dropped: sum((s) => s > from && finished.get(s) === 'dropped'),
    });
  }
  const required = reference.takers.filter((taker) => taker.required);
  const from = Math.min(...required.map((taker) => taker.from));
  const dropped = (s: number): boolean => s > from && required.some((taker) => s > taker.from && taker.finished.get(s) === 'dropped');
  const has = (taker: Taker, s: number): boolean => s <= taker.from || taker.finished.get(s) === 'acked';
  expect(outbox.counters()).toMatchObject({
    queued: sum((s) => s > from),
    dropped: sum(dropped),
    acked: sum((s) => s > from && !dropped(s) && required.every((taker) => has(taker, s))),
  });
}

async function reopened(outbox: Outbox, some: OutboxSettings, reference: Reference): Promise<Outbox> {
  const names = destinations.map(({ name }) => name);
  const before = names.map((name) => outbox.cursor(name).counters());
  await outbox[Symbol.asyncDispose]();
  const again = await openOutbox(some);
  for (const [i, taker] of reference.takers.entries()) {
    const { position } = again.cursor(taker.name).counters();
    expect(position).toBe(before[i]!.position);
    Object.assign(taker, { from: position, under: [], handedThrough: 0 });
    taker.finished.clear();
  }
  reference.turnedAway = 0;
  return again;
}

/** Takes and acknowledges for all until everybody has everything. */
async function drainAll(outbox: Outbox, reference: Reference): Promise<void> {
  for (let idle = 0; idle < 40; ) {
    const last = outbox.counters().nextSequence - 1;
    const behind = reference.takers.filter(({ name }) => outbox.cursor(name).counters().position < last);
    if (behind.length === 0 && outbox.counters().pendingEvents === 0) return;
    const taken = await Promise.all(
      behind.map(async (taker) => {
        const cursor = outbox.cursor(taker.name);
        const batch = await cursor.next({ maxBodyBytes: 200_000, compressed: false }, AbortSignal.timeout(50));
        if (!batch) return false;
        taker.arrived.push(...eventsOf(batch));
        taker.finish(batch, 'acked');
        cursor.acknowledge(batch, taker.mark);
        return true;
      }),
    );
    idle = taken.some(Boolean) ? 0 : idle + 1;
    // Only a gap record is on its way to the disk.
    if (behind.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`does not come to an end: ${JSON.stringify(outbox.counters())}`);
}

function everybodyKnows(outbox: Outbox, reference: Reference): void {
  const through = outbox.counters().nextSequence - 1;
  for (const { name, arrived } of reference.takers) {
    const mine = arrived.map((e) => (e.gap?.destination === undefined || e.gap.destination === name ? e : { sequence: e.sequence }));
    expect(unexplained(mine, 1, through), name).toEqual([]);
    const seen = new Set(arrived.map((e) => e.n));
    const told = new Map(mine.filter((e) => e.gap).map((e) => [e.sequence, e.gap!.readings]));
    const missing = reference.readings - [...reference.readingsOf.values()].reduce((sum, n) => sum + n, 0);
    // Those without a number are told by their sum.
    expect([...told.values()].reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(missing);
    expect(seen.size).toBeGreaterThan(0);
  }
}

test.for([
  { name: 'with room for everything', maxSizeBytes: 64 * 1024 * 1024, whenFull: 'drop-oldest' as const },
  { name: 'drop-oldest', maxSizeBytes: 400 * 1024, whenFull: 'drop-oldest' as const },
  { name: 'refuse-new', maxSizeBytes: 400 * 1024, whenFull: 'refuse-new' as const },
])(
  'three destinations agree with a simple list, whatever happens in whatever order: $name',
  { timeout: 60_000 * Math.max(1, runs / 30) },
  async ({ maxSizeBytes, whenFull }) => {
    const exact = maxSizeBytes > 1024 * 1024;
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 80, size: 'max' }), async (steps) => {
        using folder = tempFolder();
        const some = settings(folder.path, { maxSizeBytes, whenFull, destinations });
        const reference = new Reference();
        let outbox = await openOutbox(some);
        try {
          for (const step of steps) {
            if (step.do === 'reopen') outbox = await reopened(outbox, some, reference);
            else await apply(step, outbox, reference);
            holds(outbox, reference);
            if (exact) agrees(outbox, reference);
          }
          for (const taker of reference.takers) await apply({ do: 'rewind', who: reference.takers.indexOf(taker) }, outbox, reference);
          await drainAll(outbox, reference);
          // Gap records that somebody refused wait until it has taken something, and for a loss that takes them along.
          await apply({ do: 'append', readings: 1, size: 10 }, outbox, reference);
          await drainAll(outbox, reference);
          await apply({ do: 'append', readings: 1, size: 10 }, outbox, reference);
          outbox.cursor('cloud').reject((await take(outbox, undefined, undefined, 'cloud'))!, 'test');
          await drainAll(outbox, reference);
          holds(outbox, reference);
          expect(outbox.counters()).toMatchObject({ pending: 0, pendingEvents: 0 });
          everybodyKnows(outbox, reference);
        } finally {
          await outbox[Symbol.asyncDispose]();
        }
      }),
      {
        numRuns: runs,
        ...(process.env.DRAGOMAN_SEED ? { seed: Number(process.env.DRAGOMAN_SEED), path: process.env.DRAGOMAN_PATH ?? '' } : {}),
        endOnFailure: process.env.DRAGOMAN_SHRINK === undefined,
      },
    );
  },
);
