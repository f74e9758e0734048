import { Worker } from 'node:worker_threads';
import type { Outbox, OutboxSettings } from './contract.ts';
import { checkedDestinations } from './destinations.ts';
import { DurableOutbox } from './durable-outbox.ts';
import { lockFolder } from './lock.ts';
import type { FromWorker, LogSettings } from './messages.ts';
import { cannotOpen } from './refusals.ts';

/** Small enough that dropping the oldest costs little of what is kept, large enough that a file is not made every second. */
const [minSegmentBytes, maxSegmentBytes, segmentsWhenFull] = [64 * 1024, 16 * 1024 * 1024, 64];

/** Opens the outbox in `settings.folder`, made when missing. Rejects with a GatewayError `outbox-in-use`, `outbox-read-only`, `outbox-broken` or `outbox-destinations`. */
export async function openOutbox(settings: OutboxSettings): Promise<Outbox> {
  const destinations = checkedDestinations(settings.destinations);
  const lock = await lockFolder(settings.folder).catch((error: unknown) => {
    throw cannotOpen(settings.folder, error);
  });
  try {
    const { folder, maxSizeBytes } = settings;
    const segmentBytes = Math.min(maxSegmentBytes, Math.max(minSegmentBytes, Math.floor(maxSizeBytes / segmentsWhenFull)));
    const workerData: LogSettings = { folder, destinations, maxSizeBytes, segmentBytes };
    // The compiler does not rewrite this name.
    const file = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
    const worker = new Worker(file, { workerData, name: 'outbox' });
    const first = await new Promise<FromWorker>((resolve, reject) => worker.once('message', resolve).once('error', reject));
    if (first.kind !== 'opened') throw cannotOpen(folder, first);
    return new DurableOutbox(settings, worker, first.opened, lock);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw cannotOpen(settings.folder, error);
  }
}
