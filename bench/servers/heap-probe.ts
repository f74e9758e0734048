/**
 * Loaded into a gateway with --import, beside --expose-gc: on SIGUSR2 it collects all garbage of the main thread and prints what is left.
 *
 * Prints `external BYTES` (buffers) and `count BYTES` (heap).
 */
import { isMainThread } from 'node:worker_threads';

const collect = globalThis.gc;
if (isMainThread && collect) {
  process.on('SIGUSR2', () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    process.stdout.write(`external ${external}\ncount ${heapUsed}\n`);
  });
}
