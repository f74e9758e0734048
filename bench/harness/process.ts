import { type ChildProcess, spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { type Usage, usageOf } from './usage.ts';

/** A process of the bench: a server, a hub or a contestant. Killed at the end of `await using`. */
export interface BenchProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  usage(): Usage;
  /** Resolves with the match in the next line (or one already printed) that fits; rejects with all output when it ends or is late. */
  line(pattern: RegExp, withinMs?: number): Promise<RegExpExecArray>;
  /** The number in the `count N` line with which it answers SIGUSR2. */
  count(): Promise<number>;
  output(): string;
  /** Sends the signal and waits for the end; SIGKILL after 5 s. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  readonly name: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Where stdout and stderr are also kept. */
  readonly logFile?: string;
}

export function startProcess(command: string, args: readonly string[], options: StartOptions): BenchProcess {
  const child: ChildProcess = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', options.logFile ? openSync(options.logFile, 'a') : 'pipe'],
  });
  let text = '';
  let ended: string | undefined;
  const watchers = new Set<() => void>();
  const wake = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-100_000);
      wake();
    });
  }
  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ended = error.message;
      resolve();
      wake();
    });
    child.once('exit', (code, signal) => {
      ended = `ended with ${code ?? signal}`;
      resolve();
      wake();
    });
  });

  const line = (pattern: RegExp, withinMs = 60_000): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        watchers.delete(check);
        clearTimeout(timer);
        end();
      };
      const check = (): void => {
        const found = pattern.exec(text);
        if (found) settle(() => resolve(found));
        else if (ended !== undefined) settle(() => reject(new Error(`${options.name} ${ended} before it said ${pattern}:\n${text}`)));
      };
      const timer = setTimeout(() => settle(() => reject(new Error(`${options.name} did not say ${pattern} in time:\n${text}`))), withinMs);
      watchers.add(check);
      check();
    });

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (ended !== undefined) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await exited;
    clearTimeout(timer);
  };

  return {
    name: options.name,
    get pid() {
      if (child.pid === undefined || ended !== undefined) throw new Error(`${options.name} is not running (${ended}):\n${text}`);
      return child.pid;
    },
    usage() {
      return usageOf(this.pid);
    },
    line,
    async count() {
      text = '';
      process.kill(this.pid, 'SIGUSR2');
      return Number((await line(/^count (\d+)\n/m, 10_000))[1]);
    },
    output: () => text,
    stop,
    [Symbol.asyncDispose]: () => stop('SIGKILL'),
  };
}
