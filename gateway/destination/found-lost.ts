import type { Log } from '../../adapters/contract.ts';
import type { OutboxCounters } from '../outbox/contract.ts';

type Counters = Pick<OutboxCounters, 'recovered' | 'droppedBy'>;

/** Readings that the outbox held when it was opened, with those that went at that moment. `queued + foundAtStart = acked + dropped + pending`. */
export function foundAtStart({ recovered, droppedBy }: Counters): number {
  return recovered + (droppedBy.removed ?? 0) + (droppedBy['torn-tail'] ?? 0);
}

/** Whoever renames a destination, or takes one out, should read what that cost. To be called once, after the outbox was opened. */
export function sayRemoved({ droppedBy }: Counters, log: Log): void {
  const { removed = 0 } = droppedBy;
  if (removed === 0) return;
  log.warn(
    {
      readings: removed,
      hint: 'A renamed destination is a new one. To lose nothing, wait until pending of the old one is 0 before you rename it or take it out.',
    },
    'a destination is gone from the configuration; what it alone had not got is dropped, and a gap record follows',
  );
}
