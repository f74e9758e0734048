import type { PlannedRead } from './planner.ts';
import type { ModbusAddress } from './types.ts';

/**
 * Cuts a refused request in two, between values, so that each half has about half of them. Undefined when all its values
 * lie in the same registers: then they are the culprit together.
 * `members` are sorted by start, as the planner leaves them.
 */
export function halve(
  members: ArrayLike<number>,
  addressOf: (index: number) => ModbusAddress,
): readonly [PlannedRead, PlannedRead] | undefined {
  const all = Array.from(members);
  const starts = all.map((index) => addressOf(index).start);
  const middle = all.length / 2;
  let cut = 0;
  for (let i = 1; i < all.length; i++) {
    if (starts[i] !== starts[i - 1] && (cut === 0 || Math.abs(i - middle) < Math.abs(cut - middle))) cut = i;
  }
  if (cut === 0) return undefined;
  return [readOf(all.slice(0, cut), addressOf), readOf(all.slice(cut), addressOf)];
}

/** The span that covers these members; members are by start. */
function readOf(members: readonly number[], addressOf: (index: number) => ModbusAddress): PlannedRead {
  const { unitId, table, start } = addressOf(members[0]!);
  let end = start;
  for (const index of members) {
    const address = addressOf(index);
    end = Math.max(end, address.start + address.count);
  }
  return { unitId, table, start, count: end - start, members };
}
