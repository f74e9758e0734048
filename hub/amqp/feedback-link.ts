import rhea, { type Delivery, type Message, type Sender } from 'rhea';
import type { HubCore } from '../core/contract.ts';

/** Records in one message at most. */
const largestBatch = 64;

/** Feedback that is with some reader and not settled yet; shared by all readers of a hub, who compete for it. */
export type FeedbackInFlight = Set<number>;

/** Gives feedback to one reader as it comes; what the reader accepts or rejects is gone, what it releases or leaves comes again. */
export function serveFeedback(sender: Sender, core: HubCore, inFlight: FeedbackInFlight): Disposable {
  const batches = new Map<Delivery, readonly number[]>();
  let scheduled = false;

  const give = (): void => {
    scheduled = false;
    while (sender.is_open() && sender.sendable()) {
      // Others may hold the oldest: look behind them.
      const records = core.feedback
        .waiting(largestBatch + inFlight.size)
        .filter(({ id }) => !inFlight.has(id))
        .slice(0, largestBatch);
      if (records.length === 0) return;
      for (const { id } of records) inFlight.add(id);
      const body = rhea.message.data_section(Buffer.from(JSON.stringify(records.map(({ id: _, ...record }) => record))));
      const message = { content_type: 'application/vnd.microsoft.iothub.feedback.json', content_encoding: 'utf-8', body };
      const ids = records.map(({ id }) => id);
      batches.set(sender.send(message as unknown as Message), ids);
    }
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(give);
  };
  const over = (delivery: Delivery, settle: boolean): void => {
    const ids = batches.get(delivery);
    if (!ids) return;
    batches.delete(delivery);
    if (settle) void core.feedback.settle(ids).finally(() => release(ids));
    else release(ids);
  };
  const release = (ids: readonly number[]): void => {
    for (const id of ids) inFlight.delete(id);
  };

  sender.on('sendable', schedule);
  for (const [event, settle] of [
    ['accepted', true],
    ['rejected', true],
    ['released', false],
    ['modified', false],
  ] as const) {
    sender.on(event, ({ delivery }: { delivery?: Delivery }) => delivery && over(delivery, settle));
  }
  const waiting = core.feedback.onWaiting(schedule);
  return {
    [Symbol.dispose]() {
      waiting[Symbol.dispose]();
      for (const ids of batches.values()) release(ids);
      batches.clear();
    },
  };
}
