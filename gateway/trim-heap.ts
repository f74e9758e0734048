import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Late enough that libraries are loaded and machines connected, early enough that nobody has looked at the memory yet. */
export const trimAfterMs = 5_000;

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * Gives back what loading left behind. Reading mappings and libraries makes the heap two to three times as large as what stays,
 * and V8, which expects the next burst, would keep it for the life of the process. Stops everything for 50 to 200 ms.
 */
export function trimHeap(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
