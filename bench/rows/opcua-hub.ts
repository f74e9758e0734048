import { join } from 'node:path';
import { type Contestant, contest } from '../harness/contest.ts';
import { type GatewayOptions, startGateway } from '../harness/gateway.ts';
import { startHubEnd } from '../harness/hub-end.ts';
import { opcuaMappings } from '../harness/mappings.ts';
import { startOpcuaBank } from '../harness/opcua.ts';
import { startProcess } from '../harness/process.ts';
import { atLeast, atMost, entryResult, ratio } from '../harness/report.ts';
import { median } from '../harness/statistics.ts';
import { bench, node, scratch } from '../harness/tools.ts';
import { type Row, windowOf } from './row.ts';

/** A busy OPC UA server to the hub, durable, beside a client of the same library that does nothing but count. */
export const opcuaHub: Row = {
  name: 'opcua-hub',
  title: 'OPC UA 10 000 items @ 10 Hz, server to hub, durable',
  async run(options) {
    using folder = scratch();
    const items = options.quick ? 2000 : 10_000;
    const periodMs = 100;
    await using bank = await startOpcuaBank(items, periodMs, folder.path);
    await using hub = await startHubEnd(folder.path, { count: true });
    const client: Contestant = {
      name: 'node-opcua client that counts',
      role: 'limit',
      async start() {
        const script = join(bench, 'contestants', 'opcua-counting-client.ts');
        const started = startProcess(node, [script, `opc.tcp://127.0.0.1:${bank.port}`, String(items), String(periodMs)], {
          name: 'node-opcua client',
          env: { XDG_CONFIG_HOME: folder.path },
        });
        await started.line(/^ready\n/m, 120_000);
        return { process: started, values: () => started.count(), [Symbol.asyncDispose]: () => started.stop() };
      },
    };
    let runs = 0;
    const ours = (name: string, more: Partial<GatewayOptions>): Contestant => ({
      name,
      role: 'ours',
      start: () =>
        startGateway({
          name,
          folder: join(folder.path, `run-${++runs}`),
          mappings: opcuaMappings(bank.port, items, `${periodMs}ms`),
          points: items,
          hub,
          ...more,
        }),
    });
    const contestants = [
      client,
      ours('dragoman run, compiled', { main: options.compiled() }),
      ours('dragoman run, compiled, outbox in memory', { main: options.compiled(), env: { DRAGOMAN_BENCH_NO_OUTBOX: '1' } }),
    ];
    const entries = await contest(contestants, [bank.server], options.repeats, windowOf(options), options.progress);
    const [theirs, durable, memory] = entries;
    const wanted = (items * 1000) / periodMs;
    const reached = median(theirs!.runs.map((run) => run.values / run.seconds));
    return {
      row: this.name,
      title: this.title,
      entries: entries.map((entry) => entryResult(entry)),
      bars: [
        atMost(`≤ 2.8× ${theirs!.name}`, ratio(durable!, theirs!), 2.8, durable!, theirs!),
        atLeast(
          'as many values as the counting client gets',
          ratio(durable!, theirs!, (run) => run.values / run.seconds),
          0.97,
          durable!,
          theirs!,
        ),
        atMost('≤ +0.7 CPU-s/M for the outbox', -difference(memory!.runs, durable!.runs), 0.7, durable!, memory!),
      ],
      notes: [
        `${items} Doubles that change every ${periodMs} ms, security None`,
        ...(reached < wanted * 0.95 ? [`the server gave ${Math.round(reached)} of ${wanted} values/s: a core was not enough for it`] : []),
      ],
    };
  },
};

function difference(a: readonly { cpuPerMillion: number }[], b: readonly { cpuPerMillion: number }[]): number {
  return median(a.map((run, at) => run.cpuPerMillion - b[at]!.cpuPerMillion));
}
