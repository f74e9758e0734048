import { join } from 'node:path';
import { type BrokerEnd, rabbitUser, startPlainMosquitto, startRabbit } from '../harness/brokers.ts';
import { type Contestant, contest, type Entry, type Running, type Span } from '../harness/contest.ts';
import { startGateway } from '../harness/gateway.ts';
import { type HubEnd, startHubEnd } from '../harness/hub-end.ts';
import { leaveSubscription } from '../harness/mqtt.ts';
import { pressMapping, pressPoints } from '../harness/press.ts';
import { startProcess } from '../harness/process.ts';
import { atLeast, atMost, type Bar, entryResult, ratio } from '../harness/report.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import type { Row, RunOptions } from './row.ts';

/** Messages under way at once, ours and the bare receiver's. */
const window = 1000;
const queue = 'bench';
const topic = 'plant/press-7/data';

/** A broker that holds `messages`, and who takes them from it. */
interface Ingest {
  readonly bare: { readonly name: string; readonly script: string };
  /** Fills a broker; gives what it is and how each of the two gets at it. */
  fill(messages: number): Promise<{
    readonly broker: BrokerEnd;
    readonly bareArguments: readonly string[];
    readonly connection: object;
    readonly env?: Readonly<Record<string, string>>;
    leave(): Promise<void>;
  }>;
  /** Messages of which the readings are on disk. */
  stored(counters: Readonly<Record<string, number>>): number;
}

export const amqpIn: Row = {
  name: 'amqp-in',
  title: 'AMQP messages from a RabbitMQ queue to the hub, durable, as fast as it goes',
  async run(options) {
    using folder = scratch();
    await using broker = await startRabbit();
    const address = `/amq/queue/${queue}`;
    const ingest: Ingest = {
      bare: { name: 'rhea receiver that counts', script: 'rhea-receiver.ts' },
      async fill(messages) {
        await broker.queue(queue);
        await publish('amqp-publisher.ts', broker.port, queue, messages);
        return {
          broker,
          bareArguments: [String(broker.port), address, String(window)],
          connection: {
            adapter: 'amqp',
            host: '127.0.0.1',
            port: broker.port,
            user: rabbitUser.user,
            password: { env: 'BENCH_PASSWORD' },
            address,
            credit: window,
          },
          env: { BENCH_PASSWORD: rabbitUser.password },
          leave: async () => {},
        };
      },
      stored: ({ accepted = 0 }) => accepted,
    };
    const entries = await run(ingest, folder.path, options, options.quick ? 20_000 : 80_000);
    return {
      row: this.name,
      title: this.title,
      entries: entries.map((entry) => entryResult(entry, 'messages')),
      bars: bars(entries),
      notes: notes('RabbitMQ, transient queue'),
    };
  },
};

export const mqttIn: Row = {
  name: 'mqtt-in',
  title: 'MQTT messages, QoS 1, from mosquitto to the hub, durable, as fast as it goes',
  async run(options) {
    using folder = scratch();
    let sessions = 0;
    const ingest: Ingest = {
      bare: { name: 'mqtt.js receiver that counts', script: 'mqtt-receiver.ts' },
      async fill(messages) {
        const broker = await startPlainMosquitto(folder.path);
        const clientId = `bench-${++sessions}`;
        await leaveSubscription(broker.port, clientId, topic);
        await publish('mqtt-publisher.ts', broker.port, topic, messages);
        return {
          broker,
          bareArguments: [String(broker.port), clientId, topic, String(window)],
          connection: { adapter: 'mqtt', url: `mqtt://127.0.0.1:${broker.port}`, clientId, version: '5', maxInFlight: window, topic },
          leave: () => Promise.resolve(broker[Symbol.asyncDispose]()),
        };
      },
      stored: ({ messages = 0, unacknowledged = 0 }) => messages - unacknowledged,
    };
    const entries = await run(ingest, folder.path, options, options.quick ? 30_000 : 150_000);
    return {
      row: this.name,
      title: this.title,
      entries: entries.map((entry) => entryResult(entry, 'messages')),
      bars: bars(entries),
      notes: notes('mosquitto, a session that was away'),
    };
  },
};

async function publish(script: string, port: number, to: string, messages: number): Promise<void> {
  await using publisher = startProcess(node, [join(bench, 'servers', script), String(port), to, String(messages), '0'], {
    name: 'publisher',
  });
  await publisher.line(/^done\n/m, 120_000);
}

async function run(ingest: Ingest, folder: string, options: RunOptions, messages: number): Promise<Entry[]> {
  await using hub = await startHubEnd(folder, { count: true });
  const span: Span = { from: messages * 0.2, to: messages * 0.9, withinMs: 60_000 };
  let runs = 0;
  const contestants = [bare(ingest, messages), ours(ingest, messages, hub, () => join(folder, `run-${++runs}`), options.compiled())];
  return await contest(contestants, [], options.repeats, span, options.progress);
}

function bare(ingest: Ingest, messages: number): Contestant {
  const { name, script } = ingest.bare;
  return {
    name,
    role: 'limit',
    async start() {
      const filled = await ingest.fill(messages);
      const receiver = startProcess(node, [join(bench, 'contestants', script), ...filled.bareArguments], { name });
      await receiver.line(/^ready\n/m);
      return {
        process: receiver,
        helpers: [filled.broker.process],
        values: () => receiver.count(),
        async [Symbol.asyncDispose]() {
          await receiver[Symbol.asyncDispose]();
          await filled.leave();
        },
      };
    },
  };
}

function ours(ingest: Ingest, messages: number, hub: HubEnd, folder: () => string, main: string): Contestant {
  const name = 'dragoman run, compiled';
  return {
    name,
    role: 'ours',
    async start(): Promise<Running> {
      const filled = await ingest.fill(messages);
      const gateway = await startGateway({
        name,
        folder: folder(),
        mappings: pressMapping(filled.connection),
        points: pressPoints,
        hub,
        main,
        ...(filled.env ? { env: filled.env } : {}),
      });
      return {
        ...gateway,
        helpers: [filled.broker.process, ...(gateway.helpers ?? [])],
        values: async () => ingest.stored((await gateway.status()).equipment[0]!.adapterCounters),
        delivered: async () => (await hub.counter!.count()) / pressPoints,
        async [Symbol.asyncDispose]() {
          await gateway[Symbol.asyncDispose]();
          await filled.leave();
        },
      };
    },
  };
}

function bars(entries: readonly Entry[]): Bar[] {
  const [bareEntry, oursEntry] = entries as [Entry, Entry];
  const rate = ratio(oursEntry, bareEntry, (run) => run.values / run.seconds);
  const kept = Math.min(...oursEntry.runs.map((run) => run.delivered! / run.values));
  return [
    atLeast(`≥ 0.5× the messages/s of the ${bareEntry.name}`, rate, 0.5, oursEntry, bareEntry),
    atMost(`≤ 4× the CPU of the ${bareEntry.name}, a message`, ratio(oursEntry, bareEntry), 4, oursEntry, bareEntry),
    atLeast('the hub gets what was stored, at the same pace', kept, 0.95, oursEntry),
  ];
}

const notes = (broker: string): string[] => [
  `${broker}; about 300 bytes of JSON, ${pressPoints} points that change with every message; CPU-s/M is of messages here`,
  `up to ${window} messages under way for both; ours counts a message when its readings are on disk and it was acknowledged`,
];
