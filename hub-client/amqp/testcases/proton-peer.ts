import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { debianPython } from '../../../test/support/capabilities.ts';
import { freePort } from '../../../test/support/ports.ts';

/** `['reject', 'amqp:decode-error', 'bad']`; a kind alone where there is nothing more to say. */
export type Ending = string | readonly string[];

export interface PeerOptions {
  /** How each next delivery ends; the last entry stays. `hold`: not until `settle`. Default: accept. */
  readonly script?: readonly Ending[];
  readonly credit?: number;
  readonly maxMessage?: number;
  /** Properties of its open frame. */
  readonly product?: Readonly<Record<string, string>>;
  /** Addresses that it does not attach: condition and description. */
  readonly refuse?: Readonly<Record<string, readonly string[]>>;
  /** The target it gives instead of the one that was asked for. */
  readonly elsewhere?: string;
  /** Name and key of a policy: it wants a token over `$cbs`. */
  readonly cbsName?: string;
  readonly cbsKey?: string;
}

export interface Received {
  readonly address: string;
  readonly id: string;
  readonly how: string;
  readonly [field: string]: unknown;
}

/** Qpid Proton as a server whose answers are scripted. */
export async function startProtonPeer(options: PeerOptions = {}) {
  const port = await freePort();
  const script = fileURLToPath(new URL('./proton_peer.py', import.meta.url));
  const child = spawn(debianPython, [script, JSON.stringify({ ...options, port })], { stdio: ['pipe', 'pipe', 'inherit'] });
  const events: Readonly<Record<string, unknown>>[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    events.push(JSON.parse(line));
    for (const check of [...waiting]) check();
  });
  const exited = once(child, 'exit');
  let commands = 0;
  const all = <T>(name: string): readonly T[] => events.flatMap((event) => (name in event ? [event[name] as T] : []));
  /** Resolves as soon as `done` gives something. */
  const until = <T>(done: () => T | undefined | false): Promise<T> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = done();
        if (found === undefined || found === false) return;
        waiting.delete(check);
        clearTimeout(timer);
        resolve(found);
      };
      const timer = setTimeout(() => reject(new Error(`the peer said only ${JSON.stringify(events.slice(-20))}`)), 10_000);
      waiting.add(check);
      check();
    });
  const accepted = (): readonly string[] =>
    all<Received>('message')
      .filter(({ how }) => how === 'accept' || how === 'accept-unsettled')
      .map(({ id }) => id);
  await until(() => all('ready').length > 0);
  return {
    port,
    all,
    until,
    messages: () => all<Received>('message'),
    /** Ids of what it accepted, as soon as there are so many. */
    took: (count: number) => until(() => accepted().length >= count && accepted()),
    /** What came, as soon as there is so much. */
    saw: (count: number) => until(() => all<Received>('message').length >= count && all<Received>('message')),
    async tell(command: Readonly<Record<string, unknown>>): Promise<void> {
      const n = ++commands;
      child.stdin.write(`${JSON.stringify({ ...command, n })}\n`);
      await until(() => all('done').includes(n));
    },
    signal: (name: NodeJS.Signals) => child.kill(name),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
