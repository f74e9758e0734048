import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Retention, type RetentionSettings } from './retention.ts';
import { openTelemetry } from './schema.ts';
import { type IncomingMessage, TelemetryWriter, type WriteOutcome } from './writer.ts';

export interface WorkerSettings {
  readonly folder: string;
  readonly retention: RetentionSettings;
  readonly hardLimitBytes: number;
}

export type ToWorker = { readonly messages: readonly IncomingMessage[] } | 'close';
/** `count` messages, in the order they came, have this outcome. */
export type FromWorker = { readonly count: number; readonly outcome: WriteOutcome } | 'ready' | 'closed' | { readonly sweepFailed: string };

/** A transaction takes what waits, up to this: commits stay short, and the slower the disk, the more each one carries. */
const maxBatch = { messages: 500, bytes: 16 * 1024 * 1024 };
const sweepEveryMs = 5_000;

const port = parentPort;
if (!port) throw new Error('runs as a worker thread only');
const settings = workerData as WorkerSettings;
const db = openTelemetry(settings.folder, settings.hardLimitBytes);
const retention = new Retention(db, settings.retention);
const writer = new TelemetryWriter(db, retention);
const say = (message: FromWorker): void => port.postMessage(message);

port.on('message', (first: ToWorker) => {
  let next: ToWorker | undefined = first;
  while (next !== undefined && next !== 'close') {
    const batch: IncomingMessage[] = [];
    let bytes = 0;
    while (next !== undefined && next !== 'close') {
      for (const message of next.messages) {
        batch.push(message);
        bytes += message.body.length;
      }
      next = batch.length < maxBatch.messages && bytes < maxBatch.bytes ? waiting() : undefined;
    }
    say({ count: batch.length, outcome: writer.write(batch) });
    next ??= waiting();
  }
  if (next === 'close') {
    clearInterval(timer);
    db.close();
    say('closed');
    port.close();
  }
});

function waiting(): ToWorker | undefined {
  return receiveMessageOnPort(port!)?.message as ToWorker | undefined;
}

const timer = setInterval(() => sweep(), sweepEveryMs);

function sweep(): void {
  try {
    // The rest goes between the messages that arrive.
    if (db.isOpen && retention.sweep()) setImmediate(sweep);
  } catch (error) {
    say({ sweepFailed: (error as Error).message });
  }
}

sweep();
say('ready');
