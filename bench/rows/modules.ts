import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { freePort } from '../../test/support/ports.ts';
import { type Contestant, contest, type Entry, type Running } from '../harness/contest.ts';
import { listening, mosquitto } from '../harness/hub-end.ts';
import { type BenchProcess, startProcess } from '../harness/process.ts';
import { atLeast, atMost, type EntryResult, entryResult, ratio } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import { type Row, windowOf } from './row.ts';

const senders = 4;
const perSecond = 100;
const loads = [
  { name: `${senders * perSecond} messages/s`, rate: String(perSecond) },
  { name: 'as fast as they are acknowledged', rate: 'flat' },
] as const;

interface Late {
  p50: number;
  p99: number;
}

/** Broker and load, and where messages arrive: the process that counts them. */
interface Pair {
  readonly broker: BenchProcess;
  readonly port: number;
  readonly filter?: string;
}

/** Messages between modules, and to the hub, every one on disk before it is acknowledged; beside a plain relay that keeps them in memory. */
export const modules: Row = {
  name: 'modules',
  title: `module broker: ${senders} modules send 300 bytes each to another module, and to a hub that takes all`,
  async run(options) {
    using folder = scratch();
    const files = await certificates(folder.path);
    let runs = 0;
    const home = (): string => {
      const path = join(folder.path, `run-${++runs}`);
      mkdirSync(path);
      for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
      return path;
    };
    const late = new Map<string, Late[]>();
    const contestant = (name: string, role: Contestant['role'], rate: string, pair: (home: string) => Promise<Pair>): Contestant => ({
      name,
      role,
      async start() {
        const kept = late.get(name) ?? [];
        late.set(name, kept);
        const own = home();
        return startPair(await pair(own), own, rate, kept);
      },
    });
    const toModule = 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
    const contestants = loads.flatMap(({ name, rate }) => [
      ...(mosquitto ? [contestant(`mosquitto, ${name}`, 'peer', rate, startRelay)] : []),
      contestant(`module to module, ${name}`, 'ours', rate, (own) => startOurs(own, toModule, `devices/gw-1/modules/sink/inputs/#`)),
      contestant(`module to hub, ${name}`, 'ours', rate, (own) => startOurs(own, 'FROM /messages/* INTO $upstream')),
    ]);
    const entries = await contest(contestants, [], options.repeats, windowOf(options), options.progress);
    const of = (name: string): Entry => entries.find((entry) => entry.name.startsWith(name))!;
    const [pacedPair, pacedHub] = [of(`module to module, ${loads[0].name}`), of(`module to hub, ${loads[0].name}`)];
    const flat = of(`module to module, ${loads[1].name}`);
    const p99 = (entry: Entry): number => median(late.get(entry.name)!.map((one) => one.p99));
    return {
      row: this.name,
      title: this.title,
      entries: entries.map((entry) => withLate(entryResult(entry, 'messages'), late.get(entry.name)!)),
      bars: [
        ...[pacedPair, pacedHub].map((entry) => atMost(`p99 ≤ 50 ms, ${entry.name}`, p99(entry), 50, entry)),
        ...(mosquitto
          ? [
              atLeast(
                "≥ 0.1× mosquitto's messages/s",
                ratio(flat, of(`mosquitto, ${loads[1].name}`), (run) => run.values / run.seconds),
                0.1,
                flat,
              ),
            ]
          : []),
      ],
      notes: [
        'late: from PUBLISH to the arrival at the receiving module, or at the hub; over TLS, QoS 1',
        'ours: a message is on disk before its PUBACK and taken off after that of its receiver; mosquitto keeps them in memory and forgets them when it ends',
        ...(mosquitto ? [] : ['mosquitto is not installed']),
      ],
    };
  },
};

async function certificates(folder: string): Promise<Readonly<Record<string, string>>> {
  mkdirSync(folder, { recursive: true });
  const ca = await makeCa();
  const { certificate, privateKey } = await issue(ca, { commonName: 'localhost' });
  return { 'ca.pem': ca.certificate, 'server.pem': certificate, 'server.key': privateKey };
}

async function startOurs(home: string, route: string, filter?: string): Promise<Pair> {
  const broker = startProcess(node, [join(bench, 'servers/module-broker.ts'), home, route], { name: 'module broker' });
  const port = Number((await broker.line(/^ready (\d+)\n/m))[1]);
  return { broker, port, ...(filter !== undefined && { filter }) };
}

async function startRelay(home: string): Promise<Pair> {
  const port = await freePort();
  const config = join(home, 'mosquitto.conf');
  writeFileSync(
    config,
    `listener ${port} 127.0.0.1
cafile ${join(home, 'ca.pem')}
certfile ${join(home, 'server.pem')}
keyfile ${join(home, 'server.key')}
allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 64
max_queued_messages 0
user root
log_dest none
`,
  );
  const broker = startProcess(mosquitto as string, ['-c', config], { name: 'mosquitto' });
  await listening(port);
  return { broker, port, filter: 'devices/+/modules/+/messages/events/#' };
}

async function startPair({ broker, port, filter }: Pair, home: string, rate: string, kept: Late[]): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  stack.use(broker);
  const args = [join(bench, 'servers/module-pair.ts'), String(port), join(home, 'ca.pem'), String(senders), rate];
  const load = stack.use(startProcess(node, filter === undefined ? args : [...args, filter], { name: 'modules' }));
  await load.line(/^ready\n/m);
  const counter = filter === undefined ? broker : load;
  const late: Late = { p50: 0, p99: 0 };
  kept.push(late);
  const running = stack.move();
  return {
    process: broker,
    helpers: [load],
    // The last call says of the window before it.
    async values() {
      const count = await counter.count();
      const [, p50, p99] = /^late ([\d.]+) ([\d.]+)$/m.exec(counter.output()) ?? [];
      late.p50 = Number(p50);
      late.p99 = Number(p99);
      return count;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function withLate(result: EntryResult, late: readonly Late[]): EntryResult {
  const figures = {
    ...result.figures,
    'late p50 ms': median(late.map(({ p50 }) => p50)),
    'late p99 ms': median(late.map(({ p99 }) => p99)),
  };
  return { ...result, figures };
}
