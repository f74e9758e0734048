import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { Framing } from './settings.ts';
import { observed } from './testcases/points.ts';
import { openSession } from './testcases/session.ts';

/** A gateway that compiles, commits or collects garbage for longer than a time-out must not blame the machine for it. */
test.for<Framing>(['tcp', 'rtu-over-tcp'])('%s: an answer that came in time but was seen late is no time-out', async (framing) => {
  const worker = new Worker(new URL('./testcases/other-thread.ts', import.meta.url), { workerData: { options: { framing }, delayMs: 15 } });
  try {
    const [port] = (await once(worker, 'message')) as [number];
    const points = [0, 50, 100].map((start) => observed(`p${start}`, `holding ${start}`, {}, 60));
    await using session = await openSession({ host: '127.0.0.1', port }, points, { framing, timeout: '80ms' });
    await session.until(() => session.of('p100').length > 0);
    for (let stall = 1; stall <= 8; stall++) {
      // Just after a request has left.
      const { requests } = session.connection.counters();
      await session.until(() => session.connection.counters().requests! > requests!);
      const until = performance.now() + 120;
      while (performance.now() < until);
      const seen = session.of('p100').length;
      await session.until(() => session.of('p100').length > seen);
    }
    expect(session.connection.counters()).toMatchObject({ timeouts: 0, lateFrames: 0, foreignFrames: 0 });
    for (const start of [0, 50, 100]) expect(session.of(`p${start}`).every(({ value }) => value === start)).toBe(true);
  } finally {
    await worker.terminate();
  }
});
