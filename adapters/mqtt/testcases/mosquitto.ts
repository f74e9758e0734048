import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, startChild } from '../../../test/support/child.ts';
import { freePort } from '../../../test/support/ports.ts';
import { tempFolder } from '../../../test/support/temp.ts';

/** A plain mosquitto on loopback: MQTT 5 and 3.1.1 on `port`, over WebSocket on `webPort`; what it keeps is on disk. */
export interface PlainMosquitto extends AsyncDisposable {
  readonly port: number;
  readonly webPort: number;
  /** Says it with mosquitto_pub; resolves when that has ended. */
  say(topic: string, payload: string, ...more: readonly string[]): Promise<void>;
  freeze(): void;
  kill(): Promise<void>;
}

/** `files` are written into its folder; `FOLDER` in `settings` stands for it. */
export async function startPlainMosquitto(
  settings: readonly string[] = [],
  files: Readonly<Record<string, string>> = {},
): Promise<PlainMosquitto> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempFolder());
  const [port, webPort] = [await freePort(), await freePort()];
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
  const lines = [
    `listener ${port} 127.0.0.1`,
    `listener ${webPort} 127.0.0.1`,
    'protocol websockets',
    'allow_anonymous true',
    'set_tcp_nodelay true',
    'user root',
    'max_queued_messages 0',
    ...settings.map((line) => line.replaceAll('FOLDER', folder.path)),
  ];
  writeFileSync(join(folder.path, 'mosquitto.conf'), `${lines.join('\n')}\n`);
  const broker: Child = stack.use(startChild('mosquitto', ['-c', join(folder.path, 'mosquitto.conf')]));
  await broker.line(/ running$/);
  const running = stack.move();
  return {
    port,
    webPort,
    async say(topic, payload, ...more) {
      await using child = startChild('mosquitto_pub', [
        '-h',
        '127.0.0.1',
        '-p',
        String(port),
        '-t',
        topic,
        '-m',
        payload,
        '-q',
        '1',
        ...more,
      ]);
      const code = await child.exited;
      if (code !== 0) throw new Error(`mosquitto_pub: ${code} ${child.output()}`);
    },
    freeze: () => void broker.process.kill('SIGSTOP'),
    async kill() {
      broker.process.kill('SIGKILL');
      await broker.exited;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
