import { type DatabaseSync, transaction } from '../database.ts';
import { RequestError } from './request-error.ts';

interface Waiting {
  readonly work: () => unknown;
  readonly done: (result: unknown) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Puts small changes on disk together: what comes in one turn of the loop shares one transaction, and so one wait for the disk. A thousand
 * devices that report once a second are a thousand commits a second otherwise.
 */
export class Commits {
  readonly #db: DatabaseSync;
  #waiting: Waiting[] = [];

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * Resolves with what `work` returned when it is on disk; works are done, and resolve, in the order of the calls. What `work` throws
   * undoes this work alone. Rejects with a 500, its cause the disk's error, when the disk does not take it.
   */
  run<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, done: (result) => resolve(result as T), failed: reject });
      if (this.#waiting.length === 1) setImmediate(() => this.flush());
    });
  }

  /** Does at once what waits; for the end of the hub. */
  flush(): void {
    const works = this.#waiting;
    if (works.length === 0) return;
    this.#waiting = [];
    const outcomes: (() => void)[] = [];
    try {
      transaction(this.#db, () => {
        for (const work of works) outcomes.push(this.#one(work));
      });
    } catch (error) {
      const refusal = new RequestError('ServerError', `it could not be written: ${(error as Error).message}`, error);
      for (const { failed } of works) failed(refusal);
      return;
    }
    for (const tell of outcomes) tell();
  }

  #one({ work, done, failed }: Waiting): () => void {
    this.#db.exec('SAVEPOINT one');
    try {
      const result = work();
      this.#db.exec('RELEASE one');
      return () => done(result);
    } catch (error) {
      // A full disk ended the whole transaction; nothing of it can be kept.
      if (!this.#db.isTransaction) throw error;
      this.#db.exec('ROLLBACK TO one; RELEASE one;');
      return () => failed(error);
    }
  }
}
