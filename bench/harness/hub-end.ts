import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/ports.ts';
import type { Hub } from './gateway.ts';
import { type BenchProcess, startProcess } from './process.ts';
import { bench, node, programPath } from './tools.ts';

/** A broker with TLS that stands for the hub, and who counts what arrives there. */
export interface HubEnd extends Hub, AsyncDisposable {
  readonly broker: BenchProcess;
  readonly counter: BenchProcess | undefined;
  /** Stops the broker and forgets what it held. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

export const mosquitto = programPath('mosquitto');

/** Mosquitto rather than our own hub: nobody can say that the two were made for each other, and it costs little. */
export async function startHubEnd(folder: string, options: { readonly count: boolean; readonly compressed?: boolean }): Promise<HubEnd> {
  if (!mosquitto) throw new Error('mosquitto is not installed');
  const program = mosquitto;
  const ca = await makeCa('Dragoman bench CA');
  const server = await issue(ca, { commonName: 'localhost' });
  const home = mkdtempSync(join(folder, 'hub-'));
  const path = (name: string): string => join(home, name);
  writeFileSync(path('ca.pem'), ca.certificate);
  writeFileSync(path('server.pem'), server.certificate);
  writeFileSync(path('server.key'), server.privateKey);
  const tlsPort = await freePort();
  const plainPort = await freePort();
  writeFileSync(
    path('mosquitto.conf'),
    `listener ${tlsPort} 127.0.0.1
cafile ${path('ca.pem')}
certfile ${path('server.pem')}
keyfile ${path('server.key')}
listener ${plainPort} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 0
user root
log_dest none
`,
  );
  const deviceKey = Buffer.alloc(32, 7).toString('base64');
  writeFileSync(path('connection-string'), `HostName=localhost:${tlsPort};DeviceId=bench;SharedAccessKey=${deviceKey}`);
  let broker = await startBroker();
  const counter = options.count ? await startCounter(plainPort) : undefined;

  async function startBroker(): Promise<BenchProcess> {
    const started = startProcess(program, ['-c', path('mosquitto.conf')], { name: 'mosquitto' });
    await listening(tlsPort);
    return started;
  }

  return {
    config: {
      kind: 'azure',
      connectionString: { file: path('connection-string') },
      ca: path('ca.pem'),
      ...(options.compressed ? { compression: 'zstd' } : {}),
    },
    get broker() {
      return broker;
    },
    counter,
    stop: () => broker.stop(),
    async restart() {
      broker = await startBroker();
    },
    async [Symbol.asyncDispose]() {
      await counter?.[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

async function startCounter(port: number): Promise<BenchProcess> {
  const counter = startProcess(node, [join(bench, 'servers', 'counting-subscriber.ts'), String(port)], { name: 'counting subscriber' });
  await counter.line(/^ready\n/m);
  return counter;
}

/** Resolves when something accepts connections there. */
export async function listening(port: number, withinMs = 10_000): Promise<void> {
  for (const endMs = Date.now() + withinMs; ; await sleep(10)) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (Date.now() > endMs) throw new Error(`nothing listens on ${port}`);
  }
}
