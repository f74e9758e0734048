import rhea, { type Message, type Sender } from 'rhea';
import type { Events } from '../core/contract.ts';
import { eventToAmqp } from './message.ts';

/** Messages read in one go. */
const batch = 100;
/** While more than this waits for the socket, in bytes, the reader waits too. */
const congestedBytes = 1024 * 1024;

const { types } = rhea;

export interface EventReader extends Disposable {
  /** The socket has taken what it had. */
  drained(): void;
}

/**
 * Gives the events of one partition to one reader, in order, as far as its credit goes. `metrics` adds to each what the last event of the
 * partition is (`com.microsoft:enable-receiver-runtime-metric`).
 */
export function serveEvents(
  sender: Sender,
  events: Events,
  from: { readonly partition: string; readonly afterSequenceNumber: number; readonly metrics: boolean },
  waitingBytes: () => number,
): EventReader {
  const { partition, metrics } = from;
  let after = from.afterSequenceNumber;
  let scheduled = false;
  let over = false;

  const give = (): void => {
    scheduled = false;
    if (over || !sender.is_open() || !sender.sendable() || waitingBytes() > congestedBytes) return;
    // Asked before: what comes meanwhile is behind it.
    const last = events.locate(partition, 'latest');
    if (last <= after) return;
    const messages = events.read(partition, after, batch);
    const annotations = metrics && messages.length > 0 ? { delivery_annotations: metricsOf(events, partition) } : {};
    for (const event of messages) {
      if (!sender.sendable()) return;
      sender.send({ ...eventToAmqp(event), ...annotations } as Message);
      after = event.sequenceNumber;
    }
    // What is left gets its turn behind what others have to do. When nothing is, the search never goes over these again: they are of other partitions.
    if (messages.length === batch) schedule();
    else after = Math.max(after, last);
  };
  const schedule = (): void => {
    if (scheduled || over) return;
    scheduled = true;
    setImmediate(give);
  };
  sender.on('sendable', schedule);
  const stored = events.onStored(schedule);
  return {
    drained: schedule,
    [Symbol.dispose]() {
      over = true;
      stored[Symbol.dispose]();
    },
  };
}

function metricsOf(events: Events, partition: string): object {
  const { lastSequenceNumber = -1, lastOffset = '-1', lastEnqueuedMs = 0 } = events.partition(partition) ?? {};
  return {
    last_enqueued_sequence_number: types.wrap_long(lastSequenceNumber),
    last_enqueued_offset: lastOffset,
    last_enqueued_time_utc: types.wrap_timestamp(lastEnqueuedMs),
    runtime_info_retrieval_time_utc: types.wrap_timestamp(Date.now()),
  };
}
