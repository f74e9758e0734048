import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type Change, type Failure, giveOwnQueues, openQueues, QueueWriter } from './queue-writer.ts';

export type ToWorker = readonly Change[] | 'close';
/** Outcomes of changes in the order in which they came. */
export type FromWorker = readonly (Failure | undefined)[] | 'ready' | 'closed';

/** A transaction takes what waits, up to this: commits stay short, and the slower the disk, the more each one carries. */
const maxBatch = { changes: 1_000, bytes: 16 * 1024 * 1024 };

const port = parentPort;
if (!port) throw new Error('runs as a worker thread only');
const db = openQueues(workerData as string);
giveOwnQueues(db);
const writer = new QueueWriter(db);
const say = (message: FromWorker): void => port.postMessage(message);

port.on('message', (first: ToWorker) => {
  let next: ToWorker | undefined = first;
  while (next !== undefined && next !== 'close') {
    const batch: Change[] = [];
    let bytes = 0;
    while (next !== undefined && next !== 'close') {
      for (const change of next) {
        batch.push(change);
        if (change.kind === 'add') bytes += change.bytes;
      }
      next = batch.length < maxBatch.changes && bytes < maxBatch.bytes ? waiting() : undefined;
    }
    say(writer.write(batch));
    next ??= waiting();
  }
  if (next === 'close') {
    db.close();
    say('closed');
    port.close();
  }
});

function waiting(): ToWorker | undefined {
  return receiveMessageOnPort(port!)?.message as ToWorker | undefined;
}

say('ready');
