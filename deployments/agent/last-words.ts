import { join } from 'node:path';
import { z } from 'zod';
import type { Engine, LogLine } from '../engine/contract.ts';
import { containerName } from '../engine/labels.ts';
import { fileKeyStore, type KeyStore } from '../key-store.ts';
import { storedJson } from '../stored-json.ts';

const keptLines = 200;
const keptCharacters = 100_000;

/** Which container it was, and why it is gone. */
export interface TakenBack {
  readonly image: string;
  /** ISO 8601. */
  readonly at: string;
  readonly reason: string;
}

/** Of a container that did not come up and is removed. `about` is undefined for what a version before kept. */
export interface KeptLines {
  readonly about?: TakenBack;
  readonly lines: readonly LogLine[];
}

const Lines = z.array(z.object({ time: z.string(), stream: z.enum(['stdout', 'stderr']), text: z.string() }));
const Stored = z.object({ about: z.object({ image: z.string(), at: z.string(), reason: z.string() }).optional(), lines: Lines });

/** The last lines of containers that did not come up and are removed: whoever asks for the logs of the module gets them too. */
export class LastWords {
  readonly #store: KeyStore;

  constructor(folder: string) {
    this.#store = fileKeyStore(join(folder, 'last-words'));
  }

  /** Never rejects: they are a help, not a duty. */
  async keep(engine: Engine, module: string, container: string, about: TakenBack): Promise<void> {
    try {
      const lines: LogLine[] = [];
      let characters = 0;
      for await (const line of engine.logs(container, { tail: keptLines })) {
        const text = line.text.slice(0, 2_000);
        characters += text.length;
        if (characters > keptCharacters) break;
        lines.push({ ...line, text });
      }
      await this.#store.write(nameOf(module), JSON.stringify({ about, lines } satisfies KeptLines));
    } catch {
      // The engine or the disk is in trouble; the deployment says so.
    }
  }

  /** Undefined when there are none, or none that can be read. */
  async of(module: string): Promise<KeptLines | undefined> {
    const text = await this.#store.read(nameOf(module)).catch(() => undefined);
    const former = storedJson(Lines, text);
    return former ? { lines: former } : (storedJson(Stored, text) as KeptLines | undefined);
  }

  async forget(module: string): Promise<void> {
    await this.#store.remove(nameOf(module)).catch(() => {});
  }
}

const nameOf = (module: string): string => `${containerName(module)}.json`;
