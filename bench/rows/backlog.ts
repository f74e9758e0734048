import { join } from 'node:path';
import { type Backlog, makeBacklog } from '../harness/backlog.ts';
import { startPlainMosquitto } from '../harness/brokers.ts';
import { type Contestant, contest, type Entry, type Running } from '../harness/contest.ts';
import { type Status, startGateway } from '../harness/gateway.ts';
import { tooBusy } from '../harness/machine.ts';
import { modbusMappings } from '../harness/mappings.ts';
import { startModbusBank } from '../harness/modbus.ts';
import { type Bar, type EntryResult, entryResult, short } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';
import { scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

const machines = 10;
const registers = 100;
/** Readings a second, all new. */
const liveRate = machines * registers;
const aim = 20;
/** The rate does not depend on what is left: the slowest form need not come to the end. */
const mostMs = 7_000;

/** What is drained, and in which form: from the cheapest to the one that makes a message of every reading. */
const forms: readonly { readonly name: string; readonly hub: Readonly<Record<string, unknown>> }[] = [
  { name: 'cloudevents', hub: { topic: '{source}/telemetry' } },
  { name: 'cloudevents, a topic a machine', hub: {} },
  { name: 'opcua-pubsub', hub: { encoding: 'opcua-pubsub' } },
  { name: 'flat, a topic a point', hub: { encoding: 'flat', topic: '{path}/{equipment}/{point}' } },
];

/** The hub was away for an hour; how much faster than live does it all leave, while live goes on? */
export const backlog: Row = {
  name: 'backlog',
  title: 'backlog of one hour at 1000 readings/s, drained to mosquitto while live goes on',
  async run(options) {
    using folder = scratch();
    options.progress('filling an outbox');
    const hour = await makeBacklog(folder.path, options.quick ? 1200 : 3600, machines, registers);
    await using bank = await startModbusBank(machines, registers);
    await using broker = await startPlainMosquitto(folder.path);
    let runs = 0;
    const contestant = ({ name, hub }: (typeof forms)[number]): Contestant => ({
      name: `dragoman run, ${name}`,
      role: 'ours',
      async start(): Promise<Running> {
        const own = join(folder.path, `run-${++runs}`);
        hour.copyTo(own);
        const gateway = await startGateway({
          name,
          folder: own,
          mappings: modbusMappings(bank.ports, registers),
          points: 1,
          hub: { config: { kind: 'mqtt', url: `mqtt://127.0.0.1:${broker.port}`, version: '5', ...hub }, broker: broker.process },
          main: options.compiled(),
        });
        return { ...gateway, totals: async () => totals(await gateway.status()) };
      },
    });
    const span = { from: hour.readings * 0.01, to: hour.readings * 0.95, withinMs: mostMs };
    const entries = await contest(forms.map(contestant), [bank.server], options.repeats, span, options.progress);
    const dropped = Math.max(...entries.flatMap(({ runs: all }) => all.map((run) => run.totals.dropped!)));
    return {
      row: this.name,
      title: this.title,
      entries: entries.map((entry) => result(entry, hour)),
      bars: [...entries.map(bar), { text: 'nothing dropped', value: dropped, holds: dropped === 0 }],
      notes: [
        `${hour.readings} readings in ${hour.readings / registers} events, ${short(hour.bytesOnDisk / 1e6)} MB on disk; ${liveRate} registers @ 1 Hz go on all the time`,
        `from 1 % to 95 % of it, or as far as ${mostMs / 1000} s go`,
      ],
    };
  },
};

const totals = ({ accounts, destinations, equipment }: Status) => ({
  dropped: accounts.dropped,
  'late polls': equipment.reduce((sum, { adapterCounters }) => sum + (adapterCounters.latePolls ?? 0), 0),
  messages: destinations.hub.sent,
  bytes: destinations.hub.sentBytes,
});

function result(entry: Entry, { readings }: Backlog): EntryResult {
  const base = entryResult(entry, 'readings');
  const { messages: _m, bytes: _b, ...figures } = base.figures;
  const of = (pick: (run: Entry['runs'][number]) => number): number => median(entry.runs.map(pick));
  return {
    ...base,
    figures: {
      ...figures,
      'messages/s': of((run) => run.totals.messages! / run.seconds),
      'B/reading': of((run) => run.totals.bytes! / run.values),
      's for all of it': of((run) => (readings * run.seconds) / run.values),
    },
  };
}

function bar(entry: Entry): Bar {
  const value = median(entry.runs.map((run) => run.values / run.seconds / liveRate));
  const text = `≥ ${aim}× the live rate, ${entry.name.replace('dragoman run, ', '')}`;
  // A neighbour can only make it slower, so a bar that is passed is passed.
  const busy = value < aim ? entry.runs.map((run) => tooBusy(run.load)).find((reason) => reason !== undefined) : undefined;
  return busy ? { text, value, holds: undefined, reason: `machine busy: ${busy}` } : { text, value, holds: value >= aim };
}
