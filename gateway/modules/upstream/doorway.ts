import { type Backoff, backoff } from '../../../model/backoff.ts';
import { GatewayError } from '../../../model/error.ts';
import { pause } from '../../pause.ts';

interface Waiting {
  readonly enter: () => Promise<void>;
  readonly first: boolean;
}

/** Between two connections, milliseconds; a random half more or less. */
const spacingMs = 40;
/** What says something about one identity, and nothing about the hub or the way there. */
const ofOneIdentity = new Set([
  'hub-credentials',
  'hub-device',
  'hub-key',
  'hub-module',
  'hub-module-certificate',
  'hub-not-edge',
  'identity-refused',
]);

/**
 * Lets the connections of one box to its hub come up one at a time. While the hub is away, one attempt after another is made at a growing pace, whoever
 * makes it; after the first that succeeds the others follow closely.
 */
export class Doorway {
  readonly #waiting: Waiting[] = [];
  readonly #backoff: Backoff;
  #waitMs = 0;
  #running: Promise<void> | undefined;
  #hurry = new AbortController();

  constructor(pace: Backoff = backoff()) {
    this.#backoff = pace;
  }

  /** Settles as `open` does, which begins when it is its turn; `first` goes before those that are not. Rejects at once when the signal aborts. */
  enter<T extends AsyncDisposable>(open: () => Promise<T>, signal: AbortSignal, first = false): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const enter = async (): Promise<void> => {
      if (signal.aborted) return;
      try {
        const opened = await open();
        this.#backoff.reset();
        this.#waitMs = spacingMs * (0.5 + Math.random());
        if (signal.aborted) await opened[Symbol.asyncDispose]();
        else resolve(opened);
      } catch (error) {
        const isItsOwn = signal.aborted || (error instanceof GatewayError && ofOneIdentity.has(error.code));
        this.#waitMs = isItsOwn ? spacingMs : this.#backoff.next(error);
        reject(error);
      } finally {
        signal.removeEventListener('abort', abort);
      }
    };
    const at = first ? this.#waiting.findIndex((other) => !other.first) : -1;
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, { enter, first });
    this.#running ??= this.#run();
    return promise;
  }

  /** The hub was heard of: the next attempt is made now. */
  hurry(): void {
    this.#backoff.reset();
    this.#hurry.abort();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#hurry = new AbortController();
      await pause(this.#waitMs, this.#hurry.signal);
      await this.#waiting.shift()?.enter();
    }
    this.#running = undefined;
  }
}
