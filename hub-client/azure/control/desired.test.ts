import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergePatch } from '../../../twin/patch.ts';
import { isDeeper } from './depth.ts';
import { Desired, type Section } from './desired.ts';

const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
/** What may stand in a twin: no null, except as what a patch removes. */
const { document } = fc.letrec<{ document: Record<string, unknown>; value: unknown }>((tie) => ({
  document: fc.dictionary(key, tie('value'), { maxKeys: 3 }),
  value: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer(), { maxLength: 2 }), tie('document')),
}));
const same = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('depth is told without walking further', () => {
  const nested = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);
  expect([isDeeper(nested(64), 64), isDeeper(nested(65), 64), isDeeper(nested(20_000), 64)]).toEqual([false, true, true]);
});

test('nothing is given before the one who fetched had his turn, not by a document that was fetched for another reason either', async () => {
  const given: number[] = [];
  const desired = new Desired({ give: ({ $version }) => void given.push($version), missing: () => {} });
  desired.fetched({ $version: 1 });
  desired.notice({ $version: 2 });
  desired.caughtUp({ a: 1, $version: 3 });
  expect(given).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(given).toEqual([3]);
});

test('whatever is lost, repeated or overtaken on the way, each version is given once, in order, and the sum is what the hub has', async () => {
  const patch = fc.dictionary(key, fc.oneof(fc.integer(), fc.constant(null), document), { maxKeys: 2 });
  const fate = fc.constantFrom('arrives', 'lost', 'twice', 'late');
  await fc.assert(
    fc.asyncProperty(document, fc.array(fc.tuple(patch, fate), { maxLength: 12 }), async (start, changes) => {
      let hub: Section = { ...start, $version: 1 };
      let mine: Record<string, unknown> = {};
      const versions: number[] = [];
      let fetches = 0;
      const desired = new Desired({
        give({ $version, ...rest }) {
          versions.push($version);
          mine = mergePatch(mine, rest);
        },
        missing() {
          fetches++;
          setImmediate(() => desired.caughtUp(hub));
        },
      });
      const late: Section[] = [];
      for (const [index, [change, what]] of changes.entries()) {
        const { $version, ...rest } = hub;
        hub = { ...mergePatch(rest, change), $version: $version + 1 };
        const notice = { ...change, $version: hub.$version };
        if (what === 'arrives' || what === 'twice') desired.notice(notice);
        if (what === 'twice') desired.notice(notice);
        if (what === 'late') late.push(notice);
        if (index === 3) {
          const { $version: _, ...whole } = desired.fetched(hub);
          mine = whole;
        }
      }
      for (const notice of late.toReversed()) desired.notice(notice);
      if (changes.length < 4) {
        const { $version: _, ...whole } = desired.fetched(hub);
        mine = whole;
      }
      for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
      // The last may be lost: the next document tells.
      desired.caughtUp(hub);
      for (let turns = 0; turns < 4; turns++) await new Promise((resolve) => setImmediate(resolve));
      const { $version: _, ...whole } = hub;
      expect(same(mine)).toEqual(same(whole));
      expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
      expect(fetches).toBeLessThanOrEqual(changes.length);
    }),
    { numRuns: 200 },
  );
});
