import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../../adapters/contract.ts';
import { topicLevel } from '../topic.ts';

/** By file: a disk that fails must not make numbers repeat while this process lives. */
const lasts = new Map<string, number>();

/**
 * Number of the session of one edge node: 0 to 255, one more with every CONNECT, 255 is followed by 0 (Sparkplug 3.0 §6.4.7, §6.4.25).
 * Kept on disk, so that a death that comes late is never taken for that of the session after a restart.
 */
export class BdSeq {
  readonly #file: string;
  readonly #log: Log;

  /** `group` and `edgeNode` name the file in `stateFolder`. */
  constructor(stateFolder: string, group: string, edgeNode: string, log: Log) {
    this.#file = join(stateFolder, `sparkplug-${topicLevel(group)}-${topicLevel(edgeNode)}.json`);
    this.#log = log;
  }

  /** The number of the next CONNECT, on disk when this resolves. A disk that fails is logged and costs only the memory of a restart. */
  async next(): Promise<number> {
    const last = lasts.get(this.#file) ?? (await this.#read());
    const next = last === undefined ? 0 : (last + 1) % 256;
    lasts.set(this.#file, next);
    try {
      await mkdir(join(this.#file, '..'), { recursive: true });
      await writeFile(`${this.#file}.new`, `{"bdSeq":${next}}\n`);
      await rename(`${this.#file}.new`, this.#file);
    } catch (error) {
      this.#log.warn({ file: this.#file, reason: String(error) }, 'the session number of the Sparkplug edge node cannot be kept');
    }
    return next;
  }

  async #read(): Promise<number | undefined> {
    try {
      const { bdSeq } = JSON.parse(await readFile(this.#file, 'utf8')) as { readonly bdSeq?: unknown };
      return typeof bdSeq === 'number' && Number.isInteger(bdSeq) && bdSeq >= 0 && bdSeq <= 255 ? bdSeq : undefined;
    } catch {
      return undefined;
    }
  }
}
