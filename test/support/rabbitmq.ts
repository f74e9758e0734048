import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { startChild } from './child.ts';
import { freePort } from './ports.ts';
import { tempFolder } from './temp.ts';

/** RabbitMQ 3.10 on loopback, alone in its folder: AMQP 1.0 and 0-9-1 on `port`, MQTT 3.1.1 on `mqttPort`; guest / guest. Starts in 5 to 25 s. */
export interface RabbitMq extends AsyncDisposable {
  readonly port: number;
  readonly mqttPort: number;
  /** Of the virtual machine that is the broker. */
  readonly pid: number;
  /** SIGSTOP: the sockets stay, nothing answers. `thaw` lets it go on. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL of the broker itself. */
  kill(): Promise<void>;
}

/** `settings` are further lines of rabbitmq.conf. */
export async function startRabbitMq(settings: readonly string[] = []): Promise<RabbitMq> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempFolder());
  const at = (name: string): string => join(folder.path, name);
  for (const name of ['home', 'mnesia', 'log']) mkdirSync(at(name));
  const [port, mqttPort, distPort, epmdPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  writeFileSync(at('plugins'), '[rabbitmq_amqp1_0,rabbitmq_mqtt].\n');
  const config = [`listeners.tcp.default = 127.0.0.1:${port}`, `mqtt.listeners.tcp.default = 127.0.0.1:${mqttPort}`, ...settings];
  writeFileSync(at('rabbitmq.conf'), `${config.join('\n')}\n`);
  const node = `dragoman${port}@localhost`;
  const env = {
    ...process.env,
    HOME: at('home'),
    RABBITMQ_NODENAME: node,
    RABBITMQ_MNESIA_BASE: at('mnesia'),
    RABBITMQ_LOG_BASE: at('log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: at('plugins'),
    RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
    RABBITMQ_PID_FILE: at('pid'),
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmdPort),
  };
  // In the foreground, so that the port mapper is ours to end; the broker would leave its own behind.
  const mapper = stack.use(startChild('epmd', ['-address', '127.0.0.1', '-port', String(epmdPort)], { env }));
  await answers(epmdPort, () => mapper.output());
  const broker = stack.use(startChild('/usr/lib/rabbitmq/bin/rabbitmq-server', [], { env }));
  await broker.line(/completed with \d+ plugins/, 90_000);
  // The launched script stays above the virtual machine; signals must go to the latter.
  const pid = Number(readFileSync(at('pid'), 'utf8'));
  const running = stack.move();
  return {
    port,
    mqttPort,
    pid,
    freeze: () => void process.kill(pid, 'SIGSTOP'),
    thaw: () => void process.kill(pid, 'SIGCONT'),
    async kill() {
      process.kill(pid, 'SIGKILL');
      await broker.exited;
    },
    async [Symbol.asyncDispose]() {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone already.
      }
      await running.disposeAsync();
    },
  };
}

/** By connecting: listening there oneself, even for a moment, would take the port away from the one that is about to. */
async function answers(port: number, output: () => string): Promise<void> {
  const untilMs = performance.now() + 10_000;
  while (!(await accepts(port))) {
    if (performance.now() > untilMs) throw new Error(`nothing listens on ${port}:\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
