import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Late enough that libraries are loaded and machines connected, early enough that nobody has looked at the memory yet. */
export const trimAfterMs = 5_000;

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * V8 walks through all that lives as soon as a tenth has come on top of it. Most of what lives here is mappings, which never go, and of readings nearly
 * nothing grows old: at 100 000 values/s it walked every second, for a fifth of all CPU time (bench row `modbus-hub`).
 */
const growingPercent = 100;

/**
 * Gives back what loading left behind, and settles how far the heap grows from there. Reading mappings and libraries makes it two to three times as
 * large as what stays, and V8, which expects the next burst, would keep it for the life of the process. Stops everything for 50 to 200 ms.
 */
export function trimHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${growingPercent}`);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
