import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { insertIdentity, openRegistry } from '../../hub/registry.ts';
import { type Contestant, contest, type Entry, type Running } from '../harness/contest.ts';
import { type BenchProcess, startProcess } from '../harness/process.ts';
import { atLeast, atMost, type EntryResult, entryResult } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';
import { answers, bench, node, root, scratch } from '../harness/tools.ts';
import { type Row, type RunOptions, windowOf } from './row.ts';

const perSecond = 10;
const key = Buffer.alloc(32, 7).toString('base64');
const hasTaskset = answers('taskset', ['--version']);
/** The hub has core 0 for itself, the fleet has the others. */
const onCores = (cores: string, args: readonly string[]): readonly [string, readonly string[]] =>
  hasTaskset ? ['taskset', ['-c', cores, node, ...args]] : [node, args];

/** What a run shows besides what every contestant shows. */
interface Extra {
  readonly connectSeconds: number;
  readonly kBPerGateway: number;
  p99: number;
  waiting: number;
}

/** The embedded hub with a whole company's gateways connected: how many messages one core takes, and what a gateway costs in memory. */
export const hubFleet: Row = {
  name: 'hub-fleet',
  title: 'embedded hub on one core: 1 000 gateways with twins connected, 10 messages/s each, every message on disk',
  async run(options) {
    using folder = scratch();
    const gateways = options.quick ? 100 : 1_000;
    const extras = new Map<string, Extra[]>();
    let runs = 0;
    const contestant = (name: string, rate: string): Contestant => ({
      name,
      role: 'ours',
      async start() {
        const kept: Extra[] = extras.get(name) ?? [];
        extras.set(name, kept);
        return startFleet(join(folder.path, `hub-${++runs}`), gateways, rate, kept);
      },
    });
    const contestants = [
      contestant(`${gateways} gateways, ${perSecond} messages/s each`, String(perSecond)),
      contestant(`${gateways} gateways, as fast as they are acknowledged`, 'flat'),
    ];
    const [paced, flat] = (await contest(contestants, [], options.repeats, windowOf(options), options.progress)) as [Entry, Entry];
    const of = (entry: Entry, pick: (extra: Extra) => number): number => median(extras.get(entry.name)?.map(pick) ?? []);
    const memory = of(paced, ({ kBPerGateway }) => kBPerGateway);
    const wanted = gateways * perSecond;
    const rate = median(paced.runs.map(({ values, seconds }) => values / seconds));
    return {
      row: this.name,
      title: this.title,
      entries: [paced, flat].map((entry) => withExtras(entryResult(entry, 'messages'), (pick) => of(entry, pick))),
      bars: [
        atLeast(`≥ 98 % of ${wanted} messages/s acknowledged`, (rate / wanted) * 100, 98, paced),
        atMost('≤ 80 % of one core', median(paced.runs.map(({ cpuPercent }) => cpuPercent)), 80, paced),
        atMost(
          '≤ 1000 ms from PUBLISH to PUBACK, 99 of 100',
          of(paced, ({ p99 }) => p99),
          1_000,
          paced,
        ),
        // With a hundred, what the hub needs for the first one weighs too much.
        ...(options.quick ? [] : [atMost('≤ 120 kB RSS a connected gateway', memory, 120)]),
      ],
      notes: notes(options, gateways),
    };
  },
};

function notes(options: RunOptions, gateways: number): string[] {
  return [
    'each gateway: its own TLS connection and key, four subscriptions kept on disk, one twin read, a reported patch every 20 s; events of 300 bytes, QoS 1',
    'CPU is that of all threads of the hub; the limit of one core is 100 % / CPU % × messages/s where the fleet paces itself',
    ...(hasTaskset ? [] : ['there is no taskset: hub and fleet share all cores']),
    ...(options.quick ? [`quick: ${gateways} gateways only`] : []),
  ];
}

function withExtras(result: EntryResult, of: (pick: (extra: Extra) => number) => number): EntryResult {
  const figures = {
    ...result.figures,
    'p99 ms': of(({ p99 }) => p99),
    'kB a gateway': of(({ kBPerGateway }) => kBPerGateway),
    's to connect all': of(({ connectSeconds }) => connectSeconds),
  };
  return { ...result, figures };
}

async function startFleet(folder: string, gateways: number, rate: string, extras: Extra[]): Promise<Running> {
  enrol(folder, gateways);
  await using stack = new AsyncDisposableStack();
  const [command, args] = onCores('0', [join(root, 'hub/main.ts'), '--data', folder, '--mqtt', '0']);
  const hub = stack.use(startProcess(command, args, { name: 'dragoman hub' }));
  const port = (await hub.line(/"ready":true,"mqtt":(\d+)/))[1] as string;
  await sleep(500);
  const emptyMB = hub.usage().rssMB;
  const fleetArguments = [join(bench, 'servers/fleet.ts'), port, join(folder, 'ca.pem'), key, String(gateways), rate];
  const fleet = stack.use(startProcess(...onCores('1-63', fleetArguments), { name: 'fleet' }));
  const connectSeconds = Number((await fleet.line(/^ready ([\d.]+)\n/m, 120_000))[1]);
  // Of the moment when all were there: later, messages on their way to the disk are part of it.
  const extra: Extra = { connectSeconds, kBPerGateway: ((hub.usage().rssMB - emptyMB) * 1024) / gateways, p99: 0, waiting: 0 };
  extras.push(extra);
  const running = stack.move();
  return {
    process: hub,
    helpers: [fleet],
    values: () => acknowledged(fleet, extra),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The last call says of the window before it. */
async function acknowledged(fleet: BenchProcess, extra: Extra): Promise<number> {
  const count = await fleet.count();
  const [, , p99, waiting] = /^late ([\d.]+) ([\d.]+) (\d+)$/m.exec(fleet.output()) ?? [];
  extra.p99 = Number(p99);
  extra.waiting = Number(waiting);
  return count;
}

function enrol(folder: string, gateways: number): void {
  using db = openRegistry(folder);
  db.exec('BEGIN');
  for (let i = 0; i < gateways; i++) {
    insertIdentity(db, { deviceId: `fleet-${i}`, authentication: { type: 'sas', primaryKey: key, secondaryKey: key } });
  }
  db.exec('COMMIT');
}
