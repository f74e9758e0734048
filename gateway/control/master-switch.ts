import { statSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GatewayError } from '../../model/error.ts';

/** Why nothing may be written now. */
export interface WritesOff {
  readonly by: 'configuration' | 'file';
  readonly reason: string;
}

/**
 * The one switch over all writing. Off while the file is there, whoever made it: a method from the hub, or a person at the box with `touch`, which works
 * without hub and without this process. The configuration's `writes: off` is above it.
 */
export class MasterSwitch {
  readonly file: string;
  readonly #configured: 'on' | 'off';

  constructor(file: string, configured: 'on' | 'off' = 'on') {
    this.file = file;
    this.#configured = configured;
  }

  /** Looked at before each write: what cannot be looked at counts as off. */
  off(): WritesOff | undefined {
    if (this.#configured === 'off') return { by: 'configuration', reason: 'writing is switched off in the configuration (writes: off)' };
    try {
      statSync(this.file);
      return { by: 'file', reason: `writing is switched off (${this.file} is there)` };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      return { by: 'file', reason: `whether writing is switched off cannot be seen: ${(error as Error).message}` };
    }
  }

  /** Who switched off, when and why, where the file says it. */
  async note(): Promise<string | undefined> {
    return readFile(this.file, 'utf8').then(
      (text) => text.trim().slice(0, 500) || undefined,
      () => undefined,
    );
  }

  /** On disk when it resolves; it outlives restarts. Rejects with GatewayError when the configuration forbids switching on, or the disk does not take it. */
  async set(writes: 'on' | 'off', who: string, why?: string): Promise<void> {
    try {
      if (writes === 'off') await this.#create(`${new Date().toISOString()} ${who}${why ? `: ${why}` : ''}\n`);
      else await rm(this.file, { force: true });
    } catch (cause) {
      throw new GatewayError(
        'writes-switch',
        `${this.file} cannot be ${writes === 'off' ? 'written' : 'removed'}: ${(cause as Error).message}`,
        {
          retry: 'after-fix',
          hint: writes === 'off' ? 'Set writes: off in the configuration and restart' : 'Remove the file by hand',
          cause,
        },
      );
    }
    if (writes === 'on' && this.#configured === 'off') {
      throw new GatewayError('writes-configured-off', 'writing is switched off in the configuration, which a command cannot overrule', {
        retry: 'after-fix',
        hint: 'Remove writes: off from dragoman.yaml',
      });
    }
  }

  async #create(text: string): Promise<void> {
    await mkdir(dirname(this.file), { recursive: true });
    const file = await open(`${this.file}.new`, 'w', 0o640);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${this.file}.new`, this.file);
  }
}
