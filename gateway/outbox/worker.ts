import { parentPort, type TransferListItem, workerData } from 'node:worker_threads';
import { Lanes } from './lanes.ts';
import { SegmentLog, StuckError } from './log.ts';
import type { FromWorker, Item, LogSettings, Saved, ToWorker } from './messages.ts';

/** The thread that owns the disk: one message in, one synchronous piece of work, one message out. */

const port = parentPort!;
let log: SegmentLog;
let lanes: Lanes;
const appends: Extract<ToWorker, { kind: 'append' }>[] = [];
let stuck = false;
let serving = false;
let closed = false;
/** A save that the disk refused; goes before whatever comes next. */
let owed: { readonly saved: Saved; readonly remove: readonly number[] } | undefined;

const send = (message: FromWorker, transfer: TransferListItem[] = []): void => port.postMessage(message, transfer);

/** Each buffer once, also when two batches lie in it. */
const bodies = (items: readonly Item[]): TransferListItem[] => [
  ...new Set(items.flatMap((item) => ('batch' in item && item.batch.body.byteLength > 0 ? [item.batch.body.buffer] : []))),
];

function work(): void {
  while (!stuck) {
    const next = appends[0];
    if (!next) return;
    payDebt();
    const live = lanes.live();
    try {
      const written = log.append(next.group, next.writtenMs);
      appends.shift();
      const fresh = lanes.fresh(live, written.blocks);
      const { segment, bytes } = written;
      send({ kind: 'committed', group: next.group.id, segment, bytes, fresh }, bodies(fresh.flatMap(({ items }) => items)));
    } catch (error) {
      if (!(error instanceof StuckError)) throw error;
      stuck = true;
      send({ kind: 'stuck', group: next.group.id, cause: error.reason, message: error.message });
    }
    serveSoon();
  }
}

function serveSoon(): void {
  if (serving || !lanes.wanting) return;
  serving = true;
  setImmediate(serve);
}

function serve(): void {
  serving = false;
  if (closed) return;
  const served = lanes.turn();
  if (!served) return;
  send({ kind: 'items', ...served }, bodies(served.items));
  serveSoon();
}

function save(saved: Saved, remove: readonly number[]): void {
  owed = { saved, remove: [...(owed?.remove ?? []), ...remove] };
  payDebt();
}

function payDebt(): void {
  if (!owed) return;
  try {
    log.save(owed.saved, owed.remove);
    owed = undefined;
  } catch {
    // The disk does not take it now; an append will say so, and this is tried again before it.
  }
}

function handle(message: ToWorker): void {
  switch (message.kind) {
    case 'append':
      appends.push(message);
      work();
      return;
    case 'save':
      save(message.saved, message.remove);
      return;
    case 'retry':
      stuck = false;
      work();
      return;
    case 'refuse':
      stuck = false;
      appends.shift();
      work();
      return;
    case 'read':
      lanes.start(message.destination, message);
      serveSoon();
      return;
    case 'credit':
      lanes.credit(message.destination, message.bytes);
      serveSoon();
      return;
    case 'roll':
      log.roll();
      return;
    case 'close':
      // With the port this thread ends by itself: ended from outside while it unpacks a block, it would take the process with it.
      closed = true;
      lanes.close();
      try {
        log.close(message.saved);
      } catch {
        // What could not be saved is told again at the next start.
      }
      port.close();
  }
}

try {
  const settings = workerData as LogSettings;
  log = new SegmentLog(settings);
  lanes = new Lanes(log, settings.destinations.length);
  port.on('message', handle);
  send({ kind: 'opened', opened: log.opened });
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  send({ kind: 'failed', code, message });
}
