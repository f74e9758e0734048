import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HubTwin, TwinObject } from '../../hub-client/contract.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { sameJson } from '../../twin/section.ts';
import type { TwinAgent } from './agent.ts';
import { MemoryHub } from './testing/memory-hub.ts';
import { hastyAgent, listLog, recorder } from './testing/support.ts';

const runs = Number(process.env.DRAGOMAN_RUNS ?? 60);
const sections = ['a', 'b', '__proto__', 'constructor'] as const;
const value = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  fc.constant('refuse'),
  fc.constant('throw'),
  fc.record({ x: fc.nat(2), y: fc.constantFrom(1, null) }),
);
const document = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...sections), value), { selector: ([key]) => key, maxLength: 3 })
  .map((entries) => Object.fromEntries(entries));
const patch = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...sections), fc.oneof(value, fc.constant(null))), { selector: ([key]) => key, maxLength: 3 })
  .map((entries) => Object.fromEntries(entries));
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('patch' as const), patch }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replace' as const), document }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('miss' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stale' as const), back: fc.nat(5), patch }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

/**
 * Changes at the hub, links that come and go, notices lost and repeated, restarts: in the end each section stands as the hub has it and is
 * answered, and on the way no applier ran beside another, saw an older version after a newer one, or an applied value twice in a row.
 */
test('whatever happens, in the end every section is as desired and answered', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      using folder = tempFolder();
      const hub = new MemoryHub();
      let running = 0;
      const appliers = new Map(
        sections.map((section) => [
          section,
          recorder(async ({ value: given }) => {
            expect(++running, 'one at a time').toBe(1);
            await new Promise((resolve) => setImmediate(resolve));
            running--;
            if (given === 'throw') throw new Error('thrown');
            return given === 'refuse' ? { status: 'refused', message: 'no' } : { status: 'applied' };
          }),
        ]),
      );
      const log = listLog();
      const start = (): TwinAgent => {
        const agent = hastyAgent(folder.path, { patchEveryMs: 1, log });
        for (const [section, applier] of appliers) agent.section(section, applier);
        return agent;
      };
      let agent = start();
      const connect = (): Promise<void> => {
        for (const link of hub.links) link.cut();
        const link = hub.connect();
        return agent.attach(link, link.signal);
      };
      for (const one of steps) {
        if (one.do === 'patch') hub.patchDesired(one.patch);
        if (one.do === 'replace') hub.replaceDesired(one.document);
        if (one.do === 'wait') await new Promise((resolve) => setTimeout(resolve, 3));
        if (one.do === 'connect') void connect();
        if (one.do === 'cut') for (const link of hub.links) link.cut();
        if (one.do === 'miss') {
          const links = [...hub.links];
          hub.links.clear();
          hub.patchDesired({ a: 0 });
          for (const link of links) hub.links.add(link);
        }
        if (one.do === 'stale')
          for (const link of hub.links) link.notice({ ...one.patch, $version: Math.max(0, hub.desired.version - one.back) });
        if (one.do === 'restart') {
          await agent[Symbol.asyncDispose]();
          agent = start();
        }
      }
      await connect();
      hub.patchDesired({ end: 1 });
      await hub.until((reported) => Object.hasOwn((reported.desired ?? {}) as TwinObject, 'end'));
      const desired = hub.twin().desired as TwinObject;
      for (const [section, { calls }] of appliers) {
        const final = Object.hasOwn(desired, section) ? desired[section] : undefined;
        if (final === undefined && calls.length === 0) continue;
        const status = final === 'throw' ? 'failed' : final === 'refuse' ? 'refused' : 'applied';
        const answers = (): TwinObject => (hub.reported.properties.desired ?? {}) as TwinObject;
        const answer = (): unknown => (Object.hasOwn(answers(), section) ? answers()[section] : undefined);
        await expect.poll(answer, { interval: 2, timeout: 5_000 }).toMatchObject({ status });
        await expect.poll(() => calls.at(-1)?.value, { interval: 2, timeout: 5_000 }).toEqual(final);
        expect(calls.map(({ version }) => version)).toEqual(calls.map(({ version }) => version).toSorted((a, b) => a - b));
        for (const [index, call] of calls.entries()) {
          const before = calls[index - 1];
          if (before && !['throw', 'refuse'].includes(before.value as string)) expect(sameJson(before.value, call.value)).toBe(false);
          const applied = calls.slice(0, index).findLast(({ value: was }) => was !== 'throw' && was !== 'refuse');
          expect(sameJson(call.previous, applied?.value)).toBe(true);
        }
      }
      await agent[Symbol.asyncDispose]();
      expect(log.lines.filter(({ message }) => message.includes('cannot be read'))).toEqual([]);
    }),
    { numRuns: runs },
  );
});

test('a hub that gives anything for a twin and tells anything ends nothing', { timeout: 60_000 }, async () => {
  const anything = fc.oneof(fc.jsonValue(), fc.record({ desired: fc.jsonValue(), reported: fc.jsonValue() }), fc.anything());
  await fc.assert(
    fc.asyncProperty(fc.array(anything, { maxLength: 5 }), fc.array(anything, { maxLength: 10 }), async (twins, notices) => {
      using folder = tempFolder();
      const hub = new MemoryHub();
      hub.patchDesired({ a: 1 });
      await using agent = hastyAgent(folder.path);
      const a = recorder();
      agent.section('a', a);
      for (const garbage of twins) {
        const link = hub.connect();
        link.twin = () => Promise.resolve(garbage as HubTwin);
        await agent.attach(link, link.signal);
        for (const notice of notices) link.notice(notice);
        link.cut();
      }
      const link = hub.connect();
      await agent.attach(link, link.signal);
      for (const notice of notices) link.notice(notice);
      hub.patchDesired({ a: 'end' });
      await hub.until(({ desired }) => (desired as { a?: { version: number } } | undefined)?.a?.version === 3);
      expect(a.calls.at(-1)?.value).toBe('end');
    }),
    { numRuns: runs },
  );
});
