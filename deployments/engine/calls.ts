import type { Readable } from 'node:stream';
import type { TwinObject } from '../../twin/section.ts';
import type { EngineCode, EngineError } from './contract.ts';
import { engineError, make, type Subject, statusOf } from './errors.ts';
import { readJsonLines } from './json-stream.ts';

/** An engine that takes longer for an answer hangs. */
export const answerMs = 60_000;
/** A pull without a word for so long will not end. */
const silenceMs = 5 * 60_000;
const progressMs = 500;

export type About = Omit<Subject, 'at' | 'podman'>;

export interface ProgressOptions {
  readonly onProgress?: ((line: string) => void) | undefined;
  /** Each line, however many. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Calls to one engine: their limits of time, how they are called off, and what becomes of what they throw. */
export class EngineCalls {
  readonly #at: string;
  /** For what errors advise. Guessed until the engine has said what it is. */
  podman: boolean;
  readonly #closed = new AbortController();

  constructor(at: string) {
    this.#at = at;
    this.podman = at.includes('podman');
  }

  /** Ends all that is under way, with `engine-absent`. */
  close(): void {
    this.#closed.abort();
  }

  /** Aborts with `signal`, and when all is closed. */
  stop(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([this.#closed.signal, signal]);
  }

  /** A call with one answer. */
  async ask<T>(about: About, call: () => Promise<T>, limitMs = answerMs): Promise<T> {
    const stop = this.stop(AbortSignal.timeout(limitMs));
    try {
      // A connection that breaks in the middle of an answer never settles the call.
      return await Promise.race([call(), untilAborted(stop)]);
    } catch (error) {
      throw this.#failure(error, about, stop, limitMs);
    }
  }

  /** What is so already, or gone already (by the status of the answer), is as good as done. */
  async unlessAlready(about: About, call: () => Promise<unknown>, statuses = [304], limitMs = answerMs): Promise<void> {
    try {
      await this.ask(about, call, limitMs);
    } catch (error) {
      if (!statuses.includes(statusOf(error) ?? 0)) throw error;
    }
  }

  async orNone<T>(code: EngineCode, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if ((error as EngineError).code === code) return undefined;
      throw error;
    }
  }

  /** A call whose answer is a stream of progress; an error in it is one of the call. Given up when nothing is said for long. */
  async progress(
    about: About,
    call: (stop: AbortSignal) => Promise<unknown>,
    { onProgress, onLine, signal }: ProgressOptions,
  ): Promise<void> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new DOMException('silence', 'TimeoutError')), silenceMs);
    const stop = this.stop(signal ? AbortSignal.any([silence.signal, signal]) : silence.signal);
    let saidAt = 0;
    try {
      const stream = (await Promise.race([call(stop), untilAborted(stop)])) as Readable;
      for await (const line of readJsonLines(stream)) {
        timer.refresh();
        if (line.error !== undefined) throw new Error(String(line.error));
        const text = progressText(line);
        onLine?.(text);
        if (performance.now() - saidAt < progressMs) continue;
        saidAt = performance.now();
        onProgress?.(text);
      }
      stop.throwIfAborted();
    } catch (error) {
      throw this.#failure(error, about, stop, silenceMs);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What `read` makes of the stream that `open` answers with. Ends without an error when it was called off. */
  async *streaming<T>(
    about: About,
    open: () => Promise<unknown>,
    read: (chunks: AsyncIterable<Buffer>) => AsyncIterable<T>,
    stop: AbortSignal,
  ): AsyncGenerator<T> {
    let stream: Readable | undefined;
    try {
      stream = (await Promise.race([open(), untilAborted(stop)])) as Readable;
      yield* read(stream);
    } catch (error) {
      if (this.#closed.signal.aborted || !stop.aborted) throw this.#failure(error, about, stop, answerMs);
    } finally {
      stream?.destroy();
    }
  }

  #failure(error: unknown, about: About, stop: AbortSignal, limitMs: number): EngineError {
    const { doing } = about;
    const { podman } = this;
    if (this.#closed.signal.aborted)
      return make('engine-absent', `${doing}: the connection to the container engine at ${this.#at} was closed`, { podman });
    if ((stop.reason as Error | undefined)?.name === 'TimeoutError')
      return make('engine-absent', `${doing}: the container engine at ${this.#at} says nothing for ${limitMs / 1000} s`, { podman });
    if (stop.aborted) return make('engine-error', `${doing}: it was called off`, { podman });
    return engineError(error, { ...about, at: this.#at, podman });
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** `Downloading  3.2MB/8MB`, as the engine's own program shows it. */
function progressText({ id, status, progress, stream }: TwinObject): string {
  const text = [status ?? stream ?? '', progress].filter((part) => typeof part === 'string' && part !== '').join(' ');
  return (typeof id === 'string' && id !== '' ? `${id}: ${text}` : text).trim();
}
