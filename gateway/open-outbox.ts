import { type EventOrigin, gapEvent } from './cloud-event.ts';
import type { GatewayConfig } from './config.ts';
import type { Outbox } from './outbox/contract.ts';

/** The outbox as dragoman.yaml has it. */
export async function openConfiguredOutbox(config: GatewayConfig, folder: string, origin: EventOrigin): Promise<Outbox> {
  if (process.env.DRAGOMAN_BENCH_NO_OUTBOX === '1') return (await import('./memory-outbox.ts')).memoryOutbox();
  const { openOutbox } = await import('./outbox/outbox.ts');
  return openOutbox({
    folder,
    destinations: config.destinations.map(({ name, required }) => ({ name, required })),
    maxSizeBytes: config.outbox.maxSize,
    maxAgeMs: config.outbox.maxAge,
    whenFull: config.outbox.whenFull,
    commitEveryMs: config.outbox.commitEvery,
    encodeGap: (gap, sequence) => gapEvent(origin, gap, sequence),
  });
}
