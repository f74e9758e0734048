import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Disk } from '../part-file.ts';

/** Names in the folder, sorted; a `suffix` leaves the others out. */
export const namesIn = (folder: string, suffix = ''): readonly string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(suffix))
    .sort();

/** Text of one file, unpacked. */
export function textOf(folder: string, name: string): string {
  const bytes = readFileSync(join(folder, name));
  if (name.endsWith('.gz')) return gunzipSync(bytes).toString();
  return (name.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes).toString();
}

/** Whole lines of all files in the order of their names, those that are being written too. */
export const linesIn = (folder: string): readonly string[] =>
  namesIn(folder).flatMap((name) =>
    textOf(folder, name)
      .split('\n')
      .filter((line) => line !== ''),
  );

export const idsIn = (folder: string): readonly string[] => linesIn(folder).map((line) => (JSON.parse(line) as { id: string }).id);

/** A disk that can stop answering, and fail. */
export class TestDisk implements Disk {
  #stalled: PromiseWithResolvers<void> | undefined;

  async sync(): Promise<void> {
    await this.#stalled?.promise;
  }

  stall(): void {
    this.#stalled ??= Promise.withResolvers();
    this.#stalled.promise.catch(() => {});
  }

  /** What waits fails, and everything from now on. */
  fail(code: string): void {
    this.stall();
    this.#stalled?.reject(Object.assign(new Error(`${code}: the disk failed`), { code }));
  }

  /** What waits goes on. */
  recover(): void {
    this.#stalled?.resolve();
    this.#stalled = undefined;
  }
}
