import { join } from 'node:path';
import type { Log } from '../../adapters/contract.ts';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { HubMessage, HubSession } from '../contract.ts';
import type { Compression } from '../delivery/compression.ts';
import { diskError } from './disk-error.ts';
import { type FileNames, packedSuffix, partSuffix } from './file-name.ts';
import { exists, finishFile, prune, type Retention, syncFolder } from './folder.ts';
import { formOf, type Lines, linesOf } from './lines.ts';
import { type Disk, PartFile } from './part-file.ts';

export interface SessionOptions {
  readonly folder: string;
  readonly names: FileNames;
  /** Of the next file. */
  readonly sequence: number;
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly rotate: { readonly size: number; readonly after: number };
  readonly keep: Retention;
  readonly compression: Compression;
  readonly disk: Disk;
  readonly log: Log;
  /** Called once, at the very end. */
  readonly release: () => void;
}

/** Most bytes written before the next sync. */
const maxBatchBytes = 4 * 1024 * 1024;
/** How long a clean end waits for what is being written, and then for what is being compressed. */
const graceMs = 300;

interface Item extends Lines {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Writes lines to one file at a time. A message is taken over when the file system has put it on the medium. */
export class FileSession implements HubSession {
  readonly window: number;
  readonly maxBodyBytes: number;
  readonly closed: Promise<Error | undefined>;

  readonly #options: SessionOptions;
  readonly #queue: Item[] = [];
  readonly #closed = Promise.withResolvers<Error | undefined>();
  readonly #stop = new AbortController();
  #sequence: number;
  #part: PartFile | undefined;
  /** What is being written now. */
  #batch: readonly Item[] = [];
  /** The present file is old enough to be finished. */
  #aged = false;
  #rotateTimer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  /** Finished files on their way to their names, one after the other. */
  #finishing: Promise<void> = Promise.resolve();
  #end: NotConnectedError | undefined;
  #disposal: Promise<void> | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#sequence = options.sequence;
    this.window = options.window;
    this.maxBodyBytes = options.maxBodyBytes;
    this.closed = this.#closed.promise;
  }

  send(message: HubMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end;
      const { kind, header, text } = this.#linesOf(message);
      if (text.byteLength === 0) return resolve();
      this.#queue.push({ kind, header, text, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  #linesOf(message: HubMessage): Lines {
    const { id, body, contentType, contentEncoding } = message;
    if (body.byteLength > this.maxBodyBytes) {
      throw never('message-too-large', `Message ${id} has ${body.byteLength} bytes; ${this.maxBodyBytes} are allowed.`);
    }
    const form = formOf(contentType);
    if (!form || contentEncoding !== 'utf-8') {
      // Not the fault of this message: none would do. It stays in the outbox until the settings are changed.
      const what = contentEncoding === 'utf-8' ? contentType : contentEncoding;
      const error = new NotConnectedError('hub-encoding', `${what} has no lines of text, so it cannot go into ${this.#options.folder}.`, {
        retry: 'after-fix',
        hint: 'Choose another encoding for this destination: cloudevents, flat, senml, opcua-pubsub or csv.',
      });
      this.#finish(error);
      throw error;
    }
    const lines = linesOf(body, form);
    if (!lines) throw never('message-malformed', `The body of message ${id} is not ${contentType}.`);
    return lines;
  }

  /** Writes what waits, batch after batch: all that came during one sync share the next. */
  async #write(): Promise<void> {
    // Calls of the same turn belong together.
    await Promise.resolve();
    while (!this.#end && (this.#queue.length > 0 || this.#aged)) {
      const batch = this.#nextBatch();
      this.#batch = batch;
      try {
        if (this.#aged) await this.#rotate();
        if (batch[0]) await this.#append(batch[0], batch);
      } catch (error) {
        this.#finish(diskError(error, 'Writing to', this.#part?.path ?? this.#options.folder));
        break;
      }
      // After the end these have been rejected; then nothing more happens to them here.
      for (const { resolve } of batch) resolve();
    }
    this.#batch = [];
    this.#writing = undefined;
  }

  async #append(first: Item, batch: readonly Item[]): Promise<void> {
    const part = await this.#partFor(first);
    await part.append(batch.map(({ text }) => text));
    if (part.size >= this.#options.rotate.size) await this.#rotate();
  }

  /** As many of the first as may go into one file, one sync. */
  #nextBatch(): readonly Item[] {
    const first = this.#queue[0];
    let count = 0;
    let bytes = 0;
    for (const item of this.#queue) {
      if ((first && !sameFile(item, first)) || (count > 0 && bytes + item.text.byteLength > maxBatchBytes)) break;
      bytes += item.text.byteLength;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #partFor(item: Item): Promise<PartFile> {
    if (this.#part && sameFile(item, this.#part)) return this.#part;
    await this.#rotate();
    const { folder, disk, rotate } = this.#options;
    const name = await this.#freeName(item);
    this.#part = await PartFile.create(folder, name, item.kind, item.header, disk);
    await syncFolder(folder);
    this.#rotateTimer = setTimeout(() => {
      this.#aged = true;
      this.#writing ??= this.#write();
    }, rotate.after);
    return this.#part;
  }

  async #freeName({ kind }: Item): Promise<string> {
    const { folder, names } = this.#options;
    const sequence = this.#sequence++;
    for (let again = 0; ; again++) {
      const name = names.make(Date.now(), sequence, kind, again);
      const taken = await Promise.all([partSuffix, ...Object.values(packedSuffix)].map((suffix) => exists(join(folder, name + suffix))));
      if (!taken.includes(true)) return name;
    }
  }

  /** Closes the present file; its name follows in the background, in order. */
  async #rotate(): Promise<void> {
    const part = this.#part;
    this.#aged = false;
    if (!part) return;
    this.#part = undefined;
    clearTimeout(this.#rotateTimer);
    await part.close();
    if (part.size === 0) return;
    const { folder, names, compression, keep, log } = this.#options;
    this.#finishing = this.#finishing
      .then(() => finishFile(folder, part.name, compression, log, this.#stop.signal))
      .then(() => prune(folder, names, keep, Date.now(), log))
      .catch((error: unknown) => this.#finish(diskError(error, 'Finishing', part.path)));
  }

  async #dispose(): Promise<void> {
    if (this.#writing) await within(this.#writing, graceMs);
    this.#finish(undefined);
    const late = setTimeout(() => this.#stop.abort(), graceMs);
    await within(this.#settle(), 2 * graceMs);
    clearTimeout(late);
  }

  /** The folder is free again only when nothing can be written any more, also when a disk hangs for long. */
  async #settle(): Promise<void> {
    await this.#writing;
    await this.#rotate().catch(() => {});
    await this.#finishing;
    this.#options.release();
  }

  /** Once, whoever was first. */
  #finish(reason: Error | undefined): void {
    if (this.#end) return;
    const end = endOf(reason, this.#options.folder);
    this.#end = end;
    clearTimeout(this.#rotateTimer);
    for (const { reject } of [...this.#batch, ...this.#queue.splice(0)]) reject(end);
    this.#closed.resolve(reason);
  }
}

const sameFile = (a: Pick<Item, 'kind' | 'header'>, b: Pick<Item, 'kind' | 'header'>): boolean =>
  a.kind === b.kind &&
  (a.header === b.header || (a.header !== undefined && b.header !== undefined && Buffer.compare(a.header, b.header) === 0));

const never = (code: string, message: string): GatewayError => new GatewayError(code, message, { retry: 'never' });

async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  const enough = Promise.withResolvers<void>();
  const timer = setTimeout(enough.resolve, ms);
  await Promise.race([promise, enough.promise]);
  clearTimeout(timer);
}

function endOf(reason: Error | undefined, folder: string): NotConnectedError {
  if (reason instanceof NotConnectedError) return reason;
  const { code, retry, hint } = (reason ?? {}) as Partial<GatewayError>;
  return new NotConnectedError(code ?? 'hub-session-over', reason?.message ?? `The session with ${folder} was ended here.`, {
    retry: retry === 'after-fix' ? retry : 'with-backoff',
    cause: reason,
    ...(hint ? { hint } : {}),
  });
}
