import { createReadStream, createWriteStream } from 'node:fs';
import { access, constants, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';
import type { Log } from '../../adapters/contract.ts';
import type { Compression } from '../delivery/compression.ts';
import { diskError } from './disk-error.ts';
import { type FileNames, type OwnFile, packedSuffix, partSuffix } from './file-name.ts';
import { LineEnds } from './lines.ts';

export interface Retention {
  readonly files?: number | undefined;
  readonly size?: number | undefined;
  /** Milliseconds. */
  readonly age?: number | undefined;
}

const compressors = { gzip: () => createGzip(), zstd: () => createZstdCompress() } as const;

/**
 * Makes the folder if need be and sees whether we may write there. Throws GatewayError `after-fix` where a person must help,
 * NotConnectedError where the folder's parent is not there (a share that is not mounted).
 */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder).catch((error: { code?: string }) => {
      if (error.code !== 'EEXIST') throw error;
    });
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw diskError(error, 'Opening the folder', folder);
  }
}

/** Our files in the folder, oldest first. */
export async function ownFiles(folder: string, names: FileNames): Promise<readonly OwnFile[]> {
  const found = (await readdir(folder)).flatMap((name) => names.parse(name) ?? []);
  return found.toSorted((a, b) => a.sequence - b.sequence || (a.name < b.name ? -1 : 1));
}

/**
 * What a life that ended without notice left behind: a line that was not written to its end is cut off (its message was never acknowledged
 * and comes again), then the file is finished. Compressing that did not end starts anew.
 */
export async function recover(folder: string, files: readonly OwnFile[], compression: Compression, log: Log): Promise<void> {
  for (const { name, packed, part } of files) if (part && packed) await unlink(join(folder, name));
  for (const { name, kind, packed, part } of files) {
    if (!part || packed) continue;
    const path = join(folder, name);
    const whole = new LineEnds(kind);
    let size = 0;
    for await (const piece of createReadStream(path)) {
      whole.add(piece as Buffer);
      size += (piece as Buffer).byteLength;
    }
    const final = name.slice(0, -partSuffix.length);
    const done = await Promise.all(Object.values(packedSuffix).map((suffix) => exists(join(folder, final + suffix))));
    // Either nothing was written to its end, or all of it stands under its name already and only this was not removed.
    if (whole.whole === 0 || done.includes(true)) {
      await unlink(path);
      continue;
    }
    if (whole.whole < size) await cutTo(path, whole.whole);
    log.info({ file: name, bytes: whole.whole, cut: size - whole.whole }, 'a file that was left unfinished is finished now');
    await finishFile(folder, final, compression, log);
  }
}

async function cutTo(path: string, size: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.truncate(size);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Gives a file that is written to its end the name that readers look for, in one step; compressed first where that is wanted.
 * When compressing fails (no room for both) or is stopped, it is finished as it is.
 */
export async function finishFile(folder: string, name: string, compression: Compression, log: Log, stop?: AbortSignal): Promise<void> {
  const part = join(folder, name + partSuffix);
  if (compression === 'none') {
    await rename(part, join(folder, name));
    await syncFolder(folder);
    return;
  }
  const packed = join(folder, name + packedSuffix[compression]);
  try {
    await pipeline(createReadStream(part), compressors[compression](), createWriteStream(packed + partSuffix, { flush: true }), {
      ...(stop ? { signal: stop } : {}),
    });
  } catch (error) {
    await unlink(packed + partSuffix).catch(() => {});
    if (!stop?.aborted) log.warn({ file: name, reason: String(error) }, 'a file could not be compressed and stays as it is');
    await finishFile(folder, name, 'none', log);
    return;
  }
  await rename(packed + partSuffix, packed);
  await syncFolder(folder);
  await unlink(part);
  await syncFolder(folder);
}

/** Deletes the oldest finished files beyond what is kept. */
export async function prune(folder: string, names: FileNames, keep: Retention, nowMs: number, log: Log): Promise<void> {
  if (keep.files === undefined && keep.size === undefined && keep.age === undefined) return;
  const finished: { name: string; size: number; mtimeMs: number }[] = [];
  for (const { name, part } of await ownFiles(folder, names)) {
    // A reader may take one away at any moment.
    const found = part ? undefined : await stat(join(folder, name)).catch(() => undefined);
    if (found) finished.push({ name, size: found.size, mtimeMs: found.mtimeMs });
  }
  let files = finished.length;
  let size = finished.reduce((sum, file) => sum + file.size, 0);
  for (const file of finished) {
    const over =
      files > (keep.files ?? files) || size > (keep.size ?? size) || nowMs - file.mtimeMs > (keep.age ?? Number.POSITIVE_INFINITY);
    if (!over) break;
    await unlink(join(folder, file.name)).catch((error: { code?: string }) => {
      if (error.code !== 'ENOENT') throw error;
    });
    files--;
    size -= file.size;
    log.debug({ file: file.name }, 'a finished file was deleted, as the settings keep fewer');
  }
}

/** A name is on the medium only when its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: { code?: string }) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
