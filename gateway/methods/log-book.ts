import type { DestinationStream, Logger } from 'pino';
import type { LogLevel } from '../log.ts';

const mostLines = 1_000;
const longestLine = 4_000;

/** Passes log lines on, and keeps the last ones for whoever asks; they are redacted before they come here. */
export class LogBook implements DestinationStream {
  readonly #to: DestinationStream;
  readonly #lines: string[] = [];
  #next = 0;

  constructor(to: DestinationStream = process.stderr) {
    this.#to = to;
  }

  write(line: string): void {
    this.#to.write(line);
    this.#lines[this.#next] = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line.trimEnd();
    this.#next = (this.#next + 1) % mostLines;
  }

  /** The newest, oldest of them first. */
  last(count: number): readonly string[] {
    const ordered = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return ordered.slice(Math.max(0, ordered.length - count));
  }
}

/** Another level for a while, because nobody remembers to set it back. */
export class LogLevelForAWhile implements Disposable {
  readonly #log: Logger;
  readonly #usual: LogLevel;
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Logger, usual: LogLevel) {
    this.#log = log;
    this.#usual = usual;
  }

  get level(): string {
    return this.#log.level;
  }

  /** Gives when it goes back, epoch milliseconds. */
  set(level: LogLevel, forMs: number): number {
    clearTimeout(this.#timer);
    this.#log.level = level;
    this.#timer = setTimeout(() => {
      this.#log.level = this.#usual;
    }, forMs).unref();
    return Date.now() + forMs;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
