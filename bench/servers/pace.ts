/** Calls `send` with numbers from 0 on: `rate` times a second on a fixed grid, as often as it goes with 0. `count` 0 goes on for ever. */
export async function paced(count: number, rate: number, send: (n: number) => Promise<void> | undefined): Promise<void> {
  const start = performance.now();
  for (let n = 0; count === 0 || n < count; n++) {
    if (rate > 0) {
      const waitMs = start + (n * 1000) / rate - performance.now();
      // Timers are of a millisecond; what is due meanwhile goes together.
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.max(5, waitMs)));
    }
    const wait = send(n);
    if (wait) await wait;
  }
}
