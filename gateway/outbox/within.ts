/** Resolves with the promise, or at this time of the monotonic clock. */
export async function within(atMs: number, promise: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.max(0, atMs - performance.now()));
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
