import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Extent, namesOf, readingsIn, sharesOf, Track } from './track.ts';

/** Events 1 to n with so many readings each. */
function logOf(readings: readonly number[]): (first: number, last: number) => Extent {
  const before = [0];
  for (const n of readings) before.push(before.at(-1)! + n);
  return (firstSequence, lastSequence) => ({
    firstSequence,
    lastSequence,
    readingsBefore: before[firstSequence - 1]!,
    readingsThrough: before[lastSequence]!,
  });
}

test('counts each reading once, whatever is dropped and passed in whatever pieces', () => {
  const step = fc.record({ drops: fc.boolean(), from: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat(6) });
  fc.assert(
    fc.property(fc.array(fc.nat(9), { minLength: 1, maxLength: 20 }), fc.array(step, { maxLength: 20 }), (readings, steps) => {
      const extent = logOf(readings);
      const track = new Track(0, 0);
      const state: ('pending' | 'acked' | 'dropped')[] = readings.map(() => 'pending');
      for (const { drops, from, length } of steps) {
        const first = Math.min(readings.length, 1 + Math.floor(from * readings.length));
        const last = Math.min(readings.length, first + length);
        if (drops) {
          track.drop(extent(first, last), 'test');
          for (let i = Math.max(first, track.sequence + 1); i <= last; i++) state[i - 1] = 'dropped';
        } else {
          const { readingsThrough } = extent(first, last);
          track.advance(last, readingsThrough);
          for (let i = 1; i <= last; i++) if (state[i - 1] === 'pending') state[i - 1] = 'acked';
        }
        const sum = (of: string): number => readings.reduce((total, n, i) => total + (state[i] === of ? n : 0), 0);
        expect([track.acked, track.dropped, track.pending(sum('acked') + sum('dropped') + sum('pending'))]).toEqual([
          sum('acked'),
          sum('dropped'),
          sum('pending'),
        ]);
        const open = track.open(extent(1, readings.length)).flatMap((part) => {
          expect(part).toEqual(extent(part.firstSequence, part.lastSequence));
          return Array.from({ length: part.lastSequence - part.firstSequence + 1 }, (_, i) => part.firstSequence + i);
        });
        expect(open).toEqual(state.flatMap((one, i) => (one === 'pending' ? [i + 1] : [])));
      }
    }),
    { numRuns: 300 },
  );
});

describe('who lost what', () => {
  const extent = logOf([1, 2, 3, 4, 5, 6]);
  const at = (name: string, sequence: number): { name: string; track: Track } => ({
    name,
    track: new Track(sequence, sequence === 0 ? 0 : extent(1, sequence).readingsThrough),
  });
  const told = (destinations: readonly { name: string; track: Track }[]): string[] =>
    sharesOf(extent(1, 6), destinations).flatMap((share) =>
      namesOf(share, destinations).map((name) => `${share.firstSequence}-${share.lastSequence} ${readingsIn([share])} ${name ?? 'all'}`),
    );

  test.for([
    { rule: 'all of it, all', places: { a: 0, b: 0 }, records: ['1-6 21 all'] },
    { rule: 'one alone has no name', places: { a: 2 }, records: ['3-6 18 all'] },
    { rule: 'what one is behind is its own', places: { a: 0, b: 4 }, records: ['1-4 10 a', '5-6 11 all'] },
    { rule: 'who has all of it loses nothing', places: { a: 0, b: 6 }, records: ['1-6 21 a'] },
    { rule: 'some of several: a record each', places: { a: 1, b: 1, c: 6 }, records: ['2-6 20 a', '2-6 20 b'] },
    { rule: 'nobody', places: { a: 6, b: 6 }, records: [] },
  ])('$rule', ({ places, records }) => {
    expect(told(Object.entries(places).map(([name, place]) => at(name, place)))).toEqual(records);
  });

  test('what one has refused before is not told to it again', () => {
    const [a, b] = [at('a', 0), at('b', 0)];
    a.track.drop(extent(3, 4), 'rejected');
    expect(told([a, b])).toEqual(['1-2 3 all', '3-4 7 b', '5-6 11 all']);
  });
});
