import { join } from 'node:path';
import type { Engine, LogLine } from '../engine/contract.ts';
import { containerName } from '../engine/labels.ts';
import { fileKeyStore, type KeyStore } from '../key-store.ts';

const keptLines = 200;
const keptCharacters = 100_000;

/** The last lines of containers that did not come up and are removed: whoever asks for the logs of the module gets them too. */
export class LastWords {
  readonly #store: KeyStore;

  constructor(folder: string) {
    this.#store = fileKeyStore(join(folder, 'last-words'));
  }

  /** Never rejects: they are a help, not a duty. */
  async keep(engine: Engine, module: string, container: string): Promise<void> {
    try {
      const lines: LogLine[] = [];
      let characters = 0;
      for await (const line of engine.logs(container, { tail: keptLines })) {
        const text = line.text.slice(0, 2_000);
        characters += text.length;
        if (characters > keptCharacters) break;
        lines.push({ ...line, text });
      }
      await this.#store.write(nameOf(module), JSON.stringify(lines));
    } catch {
      // The engine or the disk is in trouble; the deployment says so.
    }
  }

  async of(module: string): Promise<readonly LogLine[]> {
    try {
      return JSON.parse((await this.#store.read(nameOf(module))) ?? '[]') as readonly LogLine[];
    } catch {
      return [];
    }
  }

  async forget(module: string): Promise<void> {
    await this.#store.remove(nameOf(module)).catch(() => {});
  }
}

const nameOf = (module: string): string => `${containerName(module)}.json`;
