import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { rabbitUser, startPlainMosquitto, startRabbit } from '../harness/brokers.ts';
import { type Gate, startGate } from '../harness/gate.ts';
import { type GatewayProcess, startGateway, until } from '../harness/gateway.ts';
import { pressMapping, pressPoints } from '../harness/press.ts';
import { startProcess } from '../harness/process.ts';
import type { Bar, EntryResult } from '../harness/report.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import { trendOf } from '../harness/trend.ts';
import type { Row, RunOptions } from './row.ts';

const messagesPerSecond = 1000;
const [queue, outQueue] = ['bench', 'bench-out'];
const topic = 'plant/press-7/data';
const mostGrowth = 0.1;

/** A gateway whose broker out goes away behind a gate. */
interface Plant {
  readonly name: string;
  readonly gateway: GatewayProcess;
  readonly gate: Gate;
}

interface Course {
  readonly name: string;
  /** After a full collection, megabytes: when the broker has been away for a tenth of the time, and at the end. */
  readonly heap: readonly [number, number];
  readonly external: readonly [number, number];
  /** RSS between the two, megabytes. */
  readonly rss: readonly number[];
  readonly waiting: number;
  readonly messagesPerSecond: number;
  readonly drainedSeconds: number;
  readonly dropped: number;
}

/**
 * Memory while what comes in cannot leave. Two gateways go through the same ten minutes side by side: everything by MQTT, and everything
 * by AMQP. Not repeated: what is measured is a course, with samples enough of its own.
 */
export const heap: Row = {
  name: 'heap',
  title: `heap while the broker is away for ten minutes, ${messagesPerSecond} messages/s`,
  async run(options) {
    const awayMs = options.quick ? 30_000 : 600_000;
    using folder = scratch();
    await using stack = new AsyncDisposableStack();
    const plants = [await mqttPlant(stack, folder.path, options), await amqpPlant(stack, folder.path, options)];
    await sleep(options.quick ? 6_000 : 20_000);
    options.progress(`the brokers are away for ${awayMs / 1000} s`);
    for (const { gate } of plants) await gate.close();
    const courses = await Promise.all(plants.map((plant) => course(plant, awayMs)));
    return {
      row: this.name,
      title: options.quick ? this.title.replace('ten minutes', 'half a minute') : this.title,
      entries: courses.map(entry),
      bars: courses.flatMap((one) => bars(one, options.quick)),
      notes: [
        `the broker was away for ${awayMs / 1000} s; ${pressPoints} points that change with every message, so ${pressPoints * messagesPerSecond} readings/s for the outbox`,
        'heap: after a full collection, at a tenth of the time and at its end; RSS: as it was, without any, from a fifth of the time on',
        'a trend is noise when RSS rises by less than its samples scatter (2 σ), or by less than 2 %',
      ],
    };
  },
};

async function mqttPlant(stack: AsyncDisposableStack, folder: string, options: RunOptions): Promise<Plant> {
  const name = 'dragoman run, MQTT in and out';
  const broker = stack.use(await startPlainMosquitto(folder));
  const gate = stack.use(await startGate(broker.port));
  await publisher(stack, 'mqtt-publisher.ts', broker.port, topic);
  const gateway = await probed(name, join(folder, 'mqtt'), options, {
    mappings: pressMapping({ adapter: 'mqtt', url: `mqtt://127.0.0.1:${broker.port}`, topic }),
    hub: { config: { kind: 'mqtt', url: `mqtt://127.0.0.1:${gate.port}`, topic: '{source}/telemetry' }, broker: broker.process },
  });
  return { name, gateway: stack.use(gateway), gate };
}

async function amqpPlant(stack: AsyncDisposableStack, folder: string, options: RunOptions): Promise<Plant> {
  const name = 'dragoman run, AMQP in and out';
  const broker = stack.use(await startRabbit());
  const gate = stack.use(await startGate(broker.port));
  await broker.queue(queue);
  await broker.queue(outQueue, 100);
  await publisher(stack, 'amqp-publisher.ts', broker.port, queue);
  const { user, password } = rabbitUser;
  const file = join(folder, 'password');
  writeFileSync(file, password);
  const gateway = await probed(name, join(folder, 'amqp'), options, {
    mappings: pressMapping({
      adapter: 'amqp',
      host: '127.0.0.1',
      port: broker.port,
      user,
      password: { file },
      address: `/amq/queue/${queue}`,
    }),
    hub: {
      config: { kind: 'amqp', url: `amqp://127.0.0.1:${gate.port}`, user, password: { file }, address: `/amq/queue/${outQueue}` },
      broker: broker.process,
    },
  });
  return { name, gateway: stack.use(gateway), gate };
}

async function publisher(stack: AsyncDisposableStack, script: string, port: number, to: string): Promise<void> {
  const args = [join(bench, 'servers', script), String(port), to, '0', String(messagesPerSecond)];
  await stack.use(startProcess(node, args, { name: 'publisher' })).line(/^ready\n/m);
}

function probed(
  name: string,
  folder: string,
  { compiled }: RunOptions,
  more: Pick<Parameters<typeof startGateway>[0], 'mappings' | 'hub'>,
) {
  const probe = pathToFileURL(join(bench, 'servers', 'heap-probe.ts')).href;
  return startGateway({ name, folder, points: pressPoints, main: compiled(), nodeArguments: ['--expose-gc', '--import', probe], ...more });
}

async function course({ name, gateway, gate }: Plant, awayMs: number): Promise<Course> {
  const before = (await gateway.status()).accounts;
  const start = performance.now();
  await sleep(awayMs / 10);
  const first = await collected(gateway);
  await sleep(awayMs / 10);
  const rss: number[] = [];
  const everyMs = Math.max(1000, awayMs / 120);
  while (performance.now() - start < awayMs) {
    rss.push(gateway.process.usage().rssMB);
    await sleep(everyMs);
  }
  const last = await collected(gateway);
  const { accounts } = await gateway.status();
  const seconds = (performance.now() - start) / 1000;
  await gate.open();
  const openMs = performance.now();
  await until(
    async () => (await gateway.status()).accounts.pending < messagesPerSecond * pressPoints,
    120_000,
    `${name}: all that waited at the broker`,
  );
  return {
    name,
    heap: [first.heap, last.heap],
    external: [first.external, last.external],
    rss,
    waiting: accounts.pending,
    messagesPerSecond: (accounts.queued - before.queued) / pressPoints / seconds,
    drainedSeconds: (performance.now() - openMs) / 1000,
    dropped: (await gateway.status()).accounts.dropped,
  };
}

async function collected({ process }: GatewayProcess): Promise<{ heap: number; external: number }> {
  const heapBytes = await process.count();
  return { heap: heapBytes / 1e6, external: Number(/^external (\d+)$/m.exec(process.output())?.[1]) / 1e6 };
}

/** The highest RSS of the first and of the second half. V8 collects late, so that RSS goes up and down like a saw; a leak raises its teeth. */
function peaks(rss: readonly number[]): readonly [number, number] {
  const half = Math.ceil(rss.length / 2);
  return [Math.max(...rss.slice(0, half)), Math.max(...rss.slice(-half))];
}

function entry(c: Course): EntryResult {
  const [firstPeak, secondPeak] = peaks(c.rss);
  const trend = trendOf(c.rss);
  return {
    name: c.name,
    role: 'ours',
    figures: {
      'heap MB at first': c.heap[0],
      'heap MB at the end': c.heap[1],
      'buffers MB at first': c.external[0],
      'buffers MB at the end': c.external[1],
      'RSS MB at first': c.rss[0]!,
      'RSS MB at the end': c.rss.at(-1)!,
      'lowest RSS MB': Math.min(...c.rss),
      'highest RSS MB, first half': firstPeak,
      'highest RSS MB, second half': secondPeak,
      'RSS trend MB': trend.rise,
      'RSS noise MB (2 σ)': 2 * trend.noise,
      'messages/s': c.messagesPerSecond,
      'readings waited': c.waiting,
      's until they had left': c.drainedSeconds,
      dropped: c.dropped,
    },
    spread: 0,
    repeats: 1,
    runs: [c],
  };
}

function bars(c: Course, quick: boolean): Bar[] {
  const short = c.name.replace('dragoman run, ', '');
  const [firstPeak, secondPeak] = peaks(c.rss);
  const heapGrowth = c.heap[1] / c.heap[0] - 1;
  const { rise, noise, mean } = trendOf(c.rss);
  const ofRss = (text: string, value: number, most: number): Bar =>
    quick ? { text, value, holds: undefined, reason: 'too short: RSS still settles' } : { text, value, holds: value <= most };
  return [
    { text: `heap grows by ≤ ${mostGrowth * 100} %, ${short}`, value: heapGrowth, holds: heapGrowth <= mostGrowth },
    ofRss(`highest RSS grows by ≤ ${mostGrowth * 100} %, ${short}`, secondPeak / firstPeak - 1, mostGrowth),
    ofRss(`RSS trend is noise, ${short}: MB`, rise, Math.max(2 * noise, mean * 0.02)),
    { text: `the rate was reached, ${short}`, value: c.messagesPerSecond, holds: c.messagesPerSecond >= messagesPerSecond * 0.98 },
    { text: `nothing dropped, ${short}`, value: c.dropped, holds: c.dropped === 0 },
  ];
}
