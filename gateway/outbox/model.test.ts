import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tempFolder } from '../../test/support/temp.ts';
import type { Outbox, OutboxBatch, OutboxSettings } from './contract.ts';
import { openOutbox } from './outbox.ts';
import { drain, event, eventsOf, noise, settings, type TestEvent, take, unexplained } from './testing/support.ts';

/**
 * The outbox beside a list: random appends, deliveries, acknowledgements, refusals, lost links, clean restarts and a size that
 * makes it drop. The list knows what went in and what the hub took; the outbox must agree with it at every step.
 */
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append' as const), readings: fc.nat(50), size: fc.constantFrom(10, 300, 5_000, 60_000) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('next' as const),
      maxBodyBytes: fc.constantFrom(100, 6_000, 200_000),
      compressed: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reject' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);
const runs = Number(process.env.DRAGOMAN_RUNS ?? 12);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

class Reference {
  appended = 0;
  readings = 0;
  /** Readings of this life of the process. */
  queued = 0;
  acked = 0;
  readonly arrived: TestEvent[] = [];
  readonly readingsOf = new Map<number, number>();
  under: OutboxBatch[] = [];
  handedThrough = 0;
}

async function apply(step: Operation, outbox: Outbox, reference: Reference): Promise<void> {
  switch (step.do) {
    case 'append': {
      const n = ++reference.appended;
      reference.readings += step.readings;
      reference.queued += step.readings;
      reference.readingsOf.set(n, step.readings);
      await outbox.append(event(n, step.readings, noise(step.size, n))).catch(() => {});
      break;
    }
    case 'next': {
      const under = reference.under.reduce((sum, batch) => sum + batch.events, 0);
      if (outbox.counters().pendingEvents <= under) break;
      const batch = await take(outbox, step, 200);
      if (!batch) break;
      // In order, and nothing twice unless the link was lost.
      expect(batch.firstSequence).toBeGreaterThan(reference.handedThrough);
      reference.handedThrough = batch.lastSequence;
      reference.under.push(batch);
      break;
    }
    case 'acknowledge': {
      const before = outbox.counters().acked;
      const through = reference.under.splice(0, step.which + 1);
      if (through.length === 0) break;
      outbox.cursor('hub').acknowledge(through.at(-1)!);
      reference.arrived.push(...through.flatMap(eventsOf));
      const gained = outbox.counters().acked - before;
      // Less only when a batch was dropped while it was under way.
      expect(gained).toBeLessThanOrEqual(through.reduce((sum, b) => sum + b.readings, 0));
      reference.acked += gained;
      break;
    }
    case 'reject': {
      const batch = reference.under.shift();
      if (batch) outbox.cursor('hub').reject(batch, 'test');
      break;
    }
    case 'rewind':
      outbox.cursor('hub').rewind();
      reference.under = [];
      reference.handedThrough = 0;
      break;
    default:
  }
}

function agrees(outbox: Outbox, reference: Reference): void {
  const { queued, acked, dropped, pending, droppedBy } = outbox.counters();
  expect(queued).toBe(acked + dropped + pending);
  expect(queued).toBe(reference.queued);
  expect(acked).toBe(reference.acked);
  expect(Object.values(droppedBy).reduce((sum, n) => sum + n, 0)).toBe(dropped);
}

test.for([{ whenFull: 'drop-oldest' as const }, { whenFull: 'refuse-new' as const }])(
  'agrees with a simple list, whatever happens in whatever order: $whenFull',
  { timeout: 60_000 * Math.max(1, runs / 50) },
  async ({ whenFull }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 60, size: 'max' }), async (steps) => {
        using folder = tempFolder();
        const some: OutboxSettings = settings(folder.path, { maxSizeBytes: 400 * 1024, whenFull });
        const reference = new Reference();
        let outbox = await openOutbox(some);
        try {
          for (const step of steps) {
            if (step.do === 'reopen') {
              const { pending } = outbox.counters();
              await outbox[Symbol.asyncDispose]();
              outbox = await openOutbox(some);
              expect(outbox.counters()).toMatchObject({ recovered: pending, queued: pending, acked: 0, dropped: 0 });
              Object.assign(reference, { queued: pending, acked: 0, under: [], handedThrough: 0 });
            } else await apply(step, outbox, reference);
            agrees(outbox, reference);
          }
          outbox.cursor('hub').rewind();
          const rest = await drain(outbox);
          // Gap records that the hub refused wait for a loss that takes them along.
          await apply({ do: 'append', readings: 1, size: 10 }, outbox, reference);
          outbox.cursor('hub').reject((await take(outbox))!, 'test');
          rest.push(...(await drain(outbox)));
          finalAccounts([...reference.arrived, ...rest], outbox, reference);
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

function finalAccounts(events: readonly TestEvent[], outbox: Outbox, reference: Reference): void {
  expect(outbox.counters()).toMatchObject({ pending: 0, pendingEvents: 0 });
  const arrived = new Map(events.filter((e) => e.n !== undefined).map((e) => [e.n!, e.sequence]));
  const gaps = new Map(events.filter((e) => e.gap).map((e) => [e.sequence, e.gap!]));
  const told = [...gaps.values()].reduce((sum, gap) => sum + gap.readings, 0);
  const taken = [...arrived.keys()].reduce((sum, n) => sum + reference.readingsOf.get(n)!, 0);
  // A batch that was dropped while it was under way may arrive and be told as well; nothing may be neither.
  expect(taken + told).toBeGreaterThanOrEqual(reference.readings);
  const numbers = [...arrived.entries()].toSorted(([a], [b]) => a - b).map(([, sequence]) => sequence);
  expect(numbers, 'in order').toEqual(numbers.toSorted((a, b) => a - b));
  expect(unexplained(events, 1, outbox.counters().nextSequence - 1)).toEqual([]);
}
