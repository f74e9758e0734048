import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Issued, issue, makeCa, type TestCa } from './certificates.ts';
import { type Child, startChild } from './child.ts';
import { freePort } from './ports.ts';
import { tempFolder } from './temp.ts';

/** A real broker behind TLS, and a subscriber of its own that writes down what passed. */
export interface Mosquitto extends AsyncDisposable {
  readonly port: number;
  readonly ca: TestCa;
  /** `topic length-of-body` of each message so far, as mosquitto_sub printed them. */
  readonly lines: () => readonly string[];
  /** Resolves when at least `count` messages passed. */
  seen(count: number, withinMs?: number): Promise<readonly string[]>;
  /** SIGSTOP: the sockets stay, nothing answers. */
  freeze(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
}

const prefix = 'MESSAGE ';

export async function startMosquitto(settings: readonly string[] = []): Promise<Mosquitto> {
  // A start that fails half-way leaves nothing running.
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempFolder());
  const file = (name: string, content: string): string => {
    const path = join(folder.path, name);
    writeFileSync(path, content);
    return path;
  };
  const ca = await makeCa();
  const server: Issued = await issue(ca, { commonName: 'localhost' });
  const port = await freePort();
  const caFile = file('ca.pem', ca.certificate);
  const config = [
    `listener ${port} 127.0.0.1`,
    `cafile ${caFile}`,
    `certfile ${file('server.pem', server.certificate)}`,
    `keyfile ${file('server.key', server.privateKey)}`,
    'allow_anonymous true',
    'set_tcp_nodelay true',
    // Otherwise it drops root and can no longer read the key; ignored when it is not root.
    'user root',
    'max_queued_messages 0',
    ...settings,
  ];
  const broker = stack.use(startChild('mosquitto', ['-c', file('mosquitto.conf', `${config.join('\n')}\n`)]));
  await broker.line(/ running$/);
  const args = ['-h', 'localhost', '-p', String(port), '--cafile', caFile, '-t', '#', '-q', '1', '-F', `${prefix}%t %l`, '-d'];
  // Into a pipe it would print in blocks of 4 KiB.
  const subscriber: Child = stack.use(startChild('stdbuf', ['-oL', 'mosquitto_sub', ...args]));
  await subscriber.line(/^Subscribed/);
  const lines = (): readonly string[] =>
    subscriber
      .output()
      .split('\n')
      // The last piece may be half a line.
      .slice(0, -1)
      .filter((line) => line.startsWith(prefix))
      .map((line) => line.slice(prefix.length));
  const running = stack.move();
  return {
    port,
    ca,
    lines,
    async seen(count, withinMs = 8_000) {
      const untilMs = performance.now() + withinMs;
      while (lines().length < count) {
        if (performance.now() > untilMs) throw new Error(`mosquitto_sub saw ${lines().length} of ${count} messages`);
        await new Promise((resolve) => {
          subscriber.process.stdout?.once('data', resolve);
          setTimeout(resolve, 250);
        });
      }
      return lines();
    },
    freeze: () => void broker.process.kill('SIGSTOP'),
    async kill() {
      broker.process.kill('SIGKILL');
      await broker.exited;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
