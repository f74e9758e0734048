import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/** A real process under test: waits for lines instead of sleeping, and is gone after `await using`. */
export interface Child extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Everything printed so far, stdout and stderr together. */
  output(): string;
  /** Resolves with the first line that matches, also one already printed; rejects when the process ends or time is up. */
  line(pattern: RegExp, withinMs?: number): Promise<string>;
  /** Resolves with the exit code (or the signal's name). */
  readonly exited: Promise<number | string>;
}

export function startChild(command: string, args: readonly string[], options: SpawnOptions = {}): Child {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of [...waiting]) check();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      wake();
    });
  }
  let ended = false;
  const exited = new Promise<number | string>((resolve) => {
    child.once('error', (error) => {
      text += `${error.message}\n`;
      ended = true;
      resolve(error.message);
      wake();
    });
    child.once('close', (code, signal) => {
      ended = true;
      resolve(code ?? signal ?? -1);
      wake();
    });
  });
  return {
    process: child,
    output: () => text,
    exited,
    line(pattern, withinMs = 15_000) {
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          waiting.delete(check);
          clearTimeout(timer);
          settle();
        };
        const check = (): void => {
          const found = text.split('\n').find((line) => pattern.test(line));
          if (found !== undefined) finish(() => resolve(found));
          else if (ended) finish(() => reject(new Error(`${command} ended before a line matched ${pattern}:\n${text}`)));
        };
        const timer = setTimeout(
          () => finish(() => reject(new Error(`no line matched ${pattern} within ${withinMs} ms:\n${text}`))),
          withinMs,
        );
        waiting.add(check);
        check();
      });
    },
    async [Symbol.asyncDispose]() {
      if (!ended) child.kill('SIGKILL');
      await exited;
    },
  };
}
