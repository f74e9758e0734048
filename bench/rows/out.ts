import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backlog, makeBacklog } from '../harness/backlog.ts';
import { type Body, takeFromMqtt, takeFromQueue } from '../harness/bodies.ts';
import { type BrokerEnd, rabbitUser, startPlainMosquitto, startRabbit } from '../harness/brokers.ts';
import { type Contestant, contest, type Entry, type Running } from '../harness/contest.ts';
import { type GatewayProcess, startGateway } from '../harness/gateway.ts';
import { modbusMappings } from '../harness/mappings.ts';
import { startModbusBank } from '../harness/modbus.ts';
import { startProcess } from '../harness/process.ts';
import { atLeast, atMost, type Bar, type EntryResult, entryResult, ratio, short } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import type { Row, RunOptions } from './row.ts';

/** Messages under way at once, ours and the bare sender's. */
const window = 16;
const queue = 'bench-out';
const address = `/amq/queue/${queue}`;

/** One form in which the backlog leaves, and who sends the same without a gateway. */
interface Form {
  readonly name: string;
  readonly broker: BrokerEnd;
  /** The `hub:` block. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly bare: { readonly name: string; readonly script: string; readonly to: readonly string[] };
  take(meanwhile: () => Promise<AsyncDisposable>): Promise<Body[]>;
  /**
   * Least rate and most CPU, in those of the bare sender, from what the building blocks cost: the disk and its blocks 0.35 µs a reading,
   * taking events apart and writing them anew 0.5 µs, a message of 64 kB 0.2 µs and one of 7 kB 0.3 µs a reading.
   */
  readonly aims: { readonly rate: number; readonly cpu: number };
}

export const mqttOut: Row = {
  name: 'mqtt-out',
  title: 'a backlog from the disk to mosquitto, QoS 1, as fast as it goes',
  async run(options) {
    using folder = scratch();
    await using broker = await startPlainMosquitto(folder.path);
    const form = (name: string, topic: string | undefined, aims: Form['aims']): Form => ({
      name,
      broker,
      config: { kind: 'mqtt', url: `mqtt://127.0.0.1:${broker.port}`, version: '5', window, ...(topic ? { topic } : {}) },
      bare: { name: 'mqtt.js sender', script: 'mqtt-sender.ts', to: [] },
      take: (meanwhile) => takeFromMqtt(broker.port, meanwhile),
      aims,
    });
    const forms = [
      form('joined on one topic', '{source}/telemetry', { rate: 0.25, cpu: 4 }),
      form('a topic a machine', undefined, { rate: 0.25, cpu: 5 }),
    ];
    return { row: this.name, title: this.title, ...(await run(forms, folder.path, options)) };
  },
};

export const amqpOut: Row = {
  name: 'amqp-out',
  title: 'a backlog from the disk to RabbitMQ, as fast as it goes',
  async run(options) {
    using folder = scratch();
    await using broker = await startRabbit();
    await broker.queue(queue, 100);
    writeFileSync(join(folder.path, 'password'), rabbitUser.password);
    const form = (name: string, maxMessage: string, aims: Form['aims']): Form => ({
      name,
      broker,
      config: {
        kind: 'amqp',
        url: `amqp://127.0.0.1:${broker.port}`,
        user: rabbitUser.user,
        password: { file: join(folder.path, 'password') },
        address,
        window,
        maxMessage,
      },
      bare: { name: 'rhea sender', script: 'rhea-sender.ts', to: [address] },
      take: (meanwhile) => takeFromQueue(broker, queue, meanwhile),
      aims,
    });
    const forms = [form('joined', '240KB', { rate: 0.5, cpu: 4 }), form('an event a message', '8KB', { rate: 0.33, cpu: 4 })];
    const result = await run(forms, folder.path, options);
    return {
      row: this.name,
      title: this.title,
      ...result,
      notes: [...result.notes, 'transient queue that keeps the newest 100; the bare sender encodes its messages before it starts'],
    };
  },
};

async function run(forms: readonly Form[], folder: string, options: RunOptions) {
  options.progress('filling an outbox');
  const backlog = await makeBacklog(folder, options.quick ? 1200 : 3600, 10, 100);
  await using bank = await startModbusBank(1, 1);
  let runs = 0;
  const gateway = async (form: Form): Promise<GatewayProcess> => {
    const own = join(folder, `run-${++runs}`);
    backlog.copyTo(own);
    const started = await startGateway({
      name: 'dragoman run, compiled',
      folder: own,
      mappings: modbusMappings(bank.ports, 1),
      points: 1,
      hub: { config: form.config, broker: form.broker.process },
      main: options.compiled(),
    });
    return { ...started, totals: async () => ({ messages: (await started.status()).destinations.hub.sent }) };
  };
  const contestants: Contestant[] = [];
  const about: string[] = [];
  for (const [at, form] of forms.entries()) {
    options.progress(`${form.name}: what leaves`);
    const bodies = await form.take(() => gateway(form));
    const file = join(folder, `bodies-${at}.json`);
    writeFileSync(file, JSON.stringify(bodies));
    contestants.push(bareSender(form, file, bodies), { name: `dragoman run, ${form.name}`, role: 'ours', start: () => gateway(form) });
    about.push(
      `${form.name}: ${short(mean(bodies, ({ text }) => text.length) / 1000)} kB, ${short(mean(bodies, ({ readings }) => readings))} readings a message`,
    );
  }
  const span = { from: backlog.readings * 0.15, to: backlog.readings * 0.9, withinMs: 10_000 };
  const entries = await contest(contestants, [], options.repeats, span, options.progress);
  return { entries: entries.map(withMessages), bars: bars(forms, entries), notes: [...about, ...notes(backlog)] };
}

function bareSender({ bare, broker, name: form }: Form, file: string, bodies: readonly Body[]): Contestant {
  const name = `${bare.name}, ${form}`;
  return {
    name,
    role: 'limit',
    async start(): Promise<Running> {
      const script = join(bench, 'contestants', bare.script);
      const sender = startProcess(node, [script, String(broker.port), ...bare.to, file, String(window)], { name });
      await sender.line(/^ready\n/m);
      let readings = 0;
      return {
        process: sender,
        helpers: [broker.process],
        values: async () => {
          readings = await sender.count();
          return readings;
        },
        totals: async () => ({ messages: readings / mean(bodies, (body) => body.readings) }),
        [Symbol.asyncDispose]: () => sender[Symbol.asyncDispose](),
      };
    },
  };
}

function withMessages(entry: Entry): EntryResult {
  const result = entryResult(entry, 'readings');
  const { messages: _, ...figures } = result.figures;
  return { ...result, figures: { ...figures, 'messages/s': median(entry.runs.map((run) => run.totals.messages! / run.seconds)) } };
}

function bars(forms: readonly Form[], entries: readonly Entry[]): Bar[] {
  return forms.flatMap(({ name, bare, aims }, at) => {
    const [theirs, ours] = [entries[at * 2]!, entries[at * 2 + 1]!];
    const rate = ratio(ours, theirs, (run) => run.values / run.seconds);
    return [
      atLeast(`≥ ${aims.rate}× the rate of the ${bare.name}, ${name}`, rate, aims.rate, ours, theirs),
      atMost(`≤ ${aims.cpu}× its CPU, ${name}`, ratio(ours, theirs), aims.cpu, ours, theirs),
    ];
  });
}

const notes = ({ readings, bytesOnDisk }: Backlog): string[] => [
  `${readings} readings were waiting in an outbox of ${short(bytesOnDisk / 1e6)} MB; ours reads and unpacks them, the bare sender has its bodies in memory`,
  `CloudEvents, ${window} messages under way for both; a reading counts when the broker has acknowledged it`,
];

const mean = (bodies: readonly Body[], pick: (body: Body) => number): number =>
  bodies.reduce((sum, body) => sum + pick(body), 0) / bodies.length;
