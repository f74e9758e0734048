import { backoff } from '../../../model/backoff.ts';
import { pause } from '../../pause.ts';

/** Brings the newest of a row of values to somebody, one at a time; what was overtaken while he was busy is left out. Tried again when it fails. */
export class Newest<T> implements Disposable {
  readonly #take: (value: T) => Promise<void> | void;
  readonly #failed: (error: unknown) => void;
  readonly #stop = new AbortController();
  #next: { readonly value: T } | undefined;
  #running: Promise<void> | undefined;

  /** `failed` is told of the first failure in a row. */
  constructor(take: (value: T) => Promise<void> | void, failed: (error: unknown) => void) {
    this.#take = take;
    this.#failed = failed;
  }

  put(value: T): void {
    this.#next = { value };
    this.#running ??= this.#run();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const waits = backoff();
    let said = false;
    for (let turn = this.#next; turn && !signal.aborted; turn = this.#next) {
      try {
        await this.#take(turn.value);
        if (this.#next === turn) this.#next = undefined;
        waits.reset();
        said = false;
      } catch (error) {
        if (!said && !signal.aborted) this.#failed(error);
        said = true;
        await pause(waits.next(), signal);
      }
    }
    this.#running = undefined;
  }
}
