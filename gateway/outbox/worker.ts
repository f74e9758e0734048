import { parentPort, type TransferListItem, workerData } from 'node:worker_threads';
import type { LoadedBlock } from './batches.ts';
import { SegmentLog, StuckError, type Written } from './log.ts';
import type { FromWorker, Item, LogBatch, LogSettings, Saved, Served, ToWorker } from './messages.ts';
import { LogReader } from './reader.ts';

/** The thread that owns the disk: one message in, one synchronous piece of work, one message out. */

/** So much is read in one turn, so that a long drain lets commits through. */
const turnBytes = 512 * 1024;

const port = parentPort!;
let log: SegmentLog;
let reader: LogReader;
const appends: Extract<ToWorker, { kind: 'append' }>[] = [];
let stuck = false;
let epoch = 0;
let credit = 0;
let serving = false;
/** A save that the disk refused; goes before whatever comes next. */
let owed: { readonly saved: Saved; readonly remove: readonly number[] } | undefined;

const send = (message: FromWorker, transfer: TransferListItem[] = []): void => port.postMessage(message, transfer);

const bodies = (items: readonly Item[]): TransferListItem[] =>
  items.flatMap((item) => ('batch' in item && item.batch.body.byteLength > 0 ? [item.batch.body.buffer] : []));

function work(): void {
  while (!stuck) {
    const next = appends[0];
    if (!next) return;
    payDebt();
    const live = reader.atEnd && credit > 0;
    try {
      const written = log.append(next.group, next.writtenMs);
      appends.shift();
      const fresh = live ? handFresh(written) : undefined;
      const { segment, bytes } = written;
      send({ kind: 'committed', group: next.group.id, segment, bytes, fresh }, fresh ? bodies(fresh.items) : []);
    } catch (error) {
      if (!(error instanceof StuckError)) throw error;
      stuck = true;
      send({ kind: 'stuck', group: next.group.id, cause: error.reason, message: error.message });
    }
    serveSoon();
  }
}

function handFresh({ segment, blocks }: Written): Served {
  const loaded = blocks.map(({ header, meta, body, plain }): LoadedBlock => ({ segment, header, meta, body, plain }));
  return spend(reader.fresh(loaded));
}

function spend(items: Item[]): Served {
  for (const item of items) if ('batch' in item) credit -= sizeOf(item.batch);
  return { epoch, items };
}

/** As the receiver counts it when it gives the credit back. */
function sizeOf({ body, inGroup }: LogBatch): number {
  return inGroup ? inGroup[1] - inGroup[0] : body.byteLength;
}

function serveSoon(): void {
  if (serving || credit <= 0 || reader.atEnd) return;
  serving = true;
  setImmediate(serve);
}

function serve(): void {
  serving = false;
  if (credit <= 0) return;
  const items = reader.read(Math.min(credit, turnBytes));
  if (items.length === 0) return;
  send({ kind: 'items', ...spend(items) }, bodies(items));
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
      ({ epoch, credit } = message);
      reader.start(message.from, message.options);
      serveSoon();
      return;
    case 'credit':
      credit += message.bytes;
      serveSoon();
      return;
    case 'roll':
      log.roll();
      return;
    case 'close':
      reader.close();
      try {
        log.close(message.saved);
      } catch {
        // What could not be saved is told again at the next start.
      }
      send({ kind: 'closed' });
      port.close();
  }
}

try {
  log = new SegmentLog(workerData as LogSettings);
  reader = new LogReader(log);
  port.on('message', handle);
  send({ kind: 'opened', opened: log.opened });
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  send({ kind: 'failed', code, message });
}
