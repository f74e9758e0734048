import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ChunkPool } from '../gateway/outbox/chunks.ts';
import type { OutboxEvent } from '../gateway/outbox/contract.ts';
import type { Group } from '../gateway/outbox/messages.ts';
import { Packer } from '../gateway/outbox/packer.ts';

/** As much of an outbox as the comparison needs. */
export interface SmallOutbox extends AsyncDisposable {
  append(event: OutboxEvent): Promise<void>;
  next(compressed: boolean, signal: AbortSignal): Promise<SmallBatch | undefined>;
  acknowledge(batch: SmallBatch): void;
  bytesOnDisk(): number;
}

export interface SmallBatch {
  readonly readings: number;
  readonly body: Uint8Array;
}

interface Row extends SmallBatch {
  readonly id: number;
}

type Request =
  | { readonly kind: 'append'; readonly group: Group }
  | { readonly kind: 'read'; readonly after: number; readonly compressed: boolean }
  | { readonly kind: 'delete'; readonly through: number }
  | { readonly kind: 'close' };
type Answer =
  | { readonly kind: 'committed'; readonly bytes: number }
  | { readonly kind: 'rows'; readonly rows: readonly Row[] }
  | { readonly kind: 'closed' };

const rowsAtOnce = 16;

/** The competitor: same packing, same zstd, same group commit, but SQLite keeps the blocks. Happy path only. */
export async function openSqliteOutbox(folder: string): Promise<SmallOutbox> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { folder } });
  let [sequence, open, inFlight, due] = [1, undefined as Packer | undefined, [] as Packer[], false];
  let [rows, cursor, reading, bytes, acked] = [[] as Row[], 0, false, 0, 0];
  let timer: NodeJS.Timeout | undefined;
  let wake: (() => void) | undefined;
  const pool = new ChunkPool();
  const closed = Promise.withResolvers<void>();
  const post = (message: Request): void => worker.postMessage(message);
  const pump = (): void => {
    if (!open || inFlight.length >= 2 || !(due || open.bytes >= (inFlight.length === 0 ? 256 : 1024) * 1024)) return;
    clearTimeout(timer);
    inFlight.push(open);
    post({ kind: 'append', group: open.message() });
    [open, due] = [undefined, false];
  };
  let compressed = false;
  const read = (): void => {
    if (reading) return;
    reading = true;
    post({ kind: 'read', after: cursor, compressed });
  };
  worker.on('message', (answer: Answer) => {
    if (answer.kind === 'committed') {
      bytes = answer.bytes;
      const group = inFlight.shift()!;
      group.release();
      group.settled.resolve();
      if (wake) read();
      pump();
    } else if (answer.kind === 'rows') {
      reading = false;
      rows.push(...answer.rows);
      cursor = rows.at(-1)?.id ?? cursor;
      if (answer.rows.length > 0) wake?.();
    } else closed.resolve();
  });
  await new Promise((resolve) => worker.once('online', resolve));
  return {
    append(event) {
      if (!open) {
        open = new Packer(0, sequence, pool);
        timer = setTimeout(() => {
          due = true;
          pump();
        }, 20);
      }
      const group = open;
      group.add(event.encode(sequence++), event.readings, event.fromMs, event.toMs);
      pump();
      return group.settled.promise;
    },
    async next(wantsCompressed, signal) {
      compressed = wantsCompressed;
      while (rows.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
          read();
        });
        wake = undefined;
        if (signal.aborted) return undefined;
      }
      if (rows.length === rowsAtOnce / 2) read();
      return rows.shift();
    },
    acknowledge(batch) {
      const { id } = batch as Row;
      if (id - acked < 64) return;
      acked = id;
      post({ kind: 'delete', through: id });
    },
    bytesOnDisk: () => bytes,
    async [Symbol.asyncDispose]() {
      post({ kind: 'delete', through: cursor - rows.length });
      post({ kind: 'close' });
      await closed.promise;
      rows = [];
      inFlight = [];
      await worker.terminate();
    },
  };
}

function serve(folder: string): void {
  const database = new DatabaseSync(join(folder, 'outbox.sqlite'));
  database.exec('PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA max_page_count = 1000000');
  database.exec('PRAGMA journal_size_limit = 16777216');
  database.exec(
    'CREATE TABLE IF NOT EXISTS blocks (id INTEGER PRIMARY KEY AUTOINCREMENT, first INTEGER, events INTEGER, readings INTEGER, plain INTEGER, body BLOB)',
  );
  const insert = database.prepare('INSERT INTO blocks (first, events, readings, plain, body) VALUES (?, ?, ?, ?, ?)');
  const select = database.prepare('SELECT id, readings, plain, body FROM blocks WHERE id > ? ORDER BY id LIMIT ?');
  const remove = database.prepare('DELETE FROM blocks WHERE id <= ?');
  const pages = database.prepare('SELECT page_count * 4096 AS bytes FROM pragma_page_count');
  const send = (answer: Answer, transfer: ArrayBuffer[] = []): void => parentPort!.postMessage(answer, transfer);
  const append = ({ memory, blocks, table, firstSequence }: Group): void => {
    database.exec('BEGIN IMMEDIATE');
    let [row, sequence] = [0, firstSequence];
    for (let i = 0; i < blocks.length; i += 3) {
      const [start, end, events] = blocks.slice(i, i + 3) as [number, number, number];
      let readings = 0;
      for (let e = 0; e < events; e++, row += 4) readings += table[row + 1]!;
      const plain = Buffer.from(memory, start, end - start);
      const body = zstdCompressSync(plain, { params: { [constants.ZSTD_c_compressionLevel]: 1 }, pledgedSrcSize: plain.length });
      insert.run(sequence, events, readings, plain.length, body);
      sequence += events;
    }
    database.exec('COMMIT');
    send({ kind: 'committed', bytes: Number((pages.get() as { bytes: number }).bytes) });
  };
  const read = (after: number, compressed: boolean): void => {
    const found = select.all(after, rowsAtOnce) as unknown as {
      id: number;
      readings: number;
      plain: number;
      body: Uint8Array<ArrayBuffer>;
    }[];
    const rows = found.map(({ id, readings, plain, body }): Row => {
      const out = compressed ? body : zstdDecompressSync(body, { chunkSize: Math.max(plain, 64) });
      return { id, readings, body: out.length * 2 > out.buffer.byteLength ? out : new Uint8Array(out) };
    });
    const own = rows.filter((r) => r.body.byteLength > 16_384).map((r) => r.body.buffer as ArrayBuffer);
    send({ kind: 'rows', rows }, own);
  };
  parentPort!.on('message', (request: Request) => {
    if (request.kind === 'append') append(request.group);
    else if (request.kind === 'read') read(request.after, request.compressed);
    else if (request.kind === 'delete') remove.run(request.through);
    else {
      database.close();
      send({ kind: 'closed' });
    }
  });
}

if (!isMainThread && (workerData as { folder?: string } | null)?.folder) serve((workerData as { folder: string }).folder);
