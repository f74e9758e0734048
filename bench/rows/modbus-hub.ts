import { join } from 'node:path';
import { type Contestant, contest } from '../harness/contest.ts';
import { type GatewayOptions, startGateway } from '../harness/gateway.ts';
import { startHubEnd } from '../harness/hub-end.ts';
import { modbusMappings } from '../harness/mappings.ts';
import { readingLimit, startModbusBank } from '../harness/modbus.ts';
import { atMost, entryResult, ratio } from '../harness/report.ts';
import { scratch } from '../harness/tools.ts';
import { type Row, windowOf } from './row.ts';

/** The main job: registers of machines to the hub, durable, every value new each second. */
export const modbusHub: Row = {
  name: 'modbus-hub',
  title: 'Modbus 100 000 registers @ 1 Hz, device to hub, durable',
  async run(options) {
    using folder = scratch();
    await using bank = await startModbusBank(10, options.quick ? 2000 : 10_000);
    await using hub = await startHubEnd(folder.path, { count: true });
    await using zstdHub = await startHubEnd(folder.path, { count: true, compressed: true });
    const limit = readingLimit(bank, 1000, folder.path);
    const base: Omit<GatewayOptions, 'name' | 'folder' | 'hub'> = {
      mappings: modbusMappings(bank.ports, bank.registers),
      points: bank.ports.length * bank.registers,
    };
    let runs = 0;
    const ours = (name: string, more: Partial<GatewayOptions>): Contestant => ({
      name,
      role: 'ours',
      start: () => startGateway({ ...base, name, folder: join(folder.path, `run-${++runs}`), hub, ...more }),
    });
    const contestants = [
      limit.contestant,
      ours('dragoman run, sources', {}),
      ours('dragoman run, compiled', { main: options.compiled() }),
      ours('dragoman run, compiled, zstd to the hub', { main: options.compiled(), hub: zstdHub }),
      ours('dragoman run, compiled, outbox in memory', { main: options.compiled(), env: { DRAGOMAN_BENCH_NO_OUTBOX: '1' } }),
    ];
    const entries = await contest(contestants, [bank.server], options.repeats, windowOf(options), options.progress);
    const [theirs, sources, compiled, , memory] = entries;
    const late = Math.max(...[sources!, compiled!].flatMap((entry) => entry.runs.map((run) => run.totals['late polls']!)));
    const durable = compiled!.runs.map((run, at) => run.cpuPerMillion - memory!.runs[at]!.cpuPerMillion).toSorted((a, b) => a - b);
    return {
      row: this.name,
      title: options.quick ? this.title.replace('100 000', String(base.points)) : this.title,
      entries: entries.map((entry) => entryResult(entry)),
      bars: [
        atMost(`≤ 12× ${theirs!.name}, as compiled`, ratio(compiled!, theirs!), 12, compiled!, theirs!),
        atMost(`≤ 12× ${theirs!.name}, from sources`, ratio(sources!, theirs!), 12, sources!, theirs!),
        atMost('no late poll', late, 0, compiled!, sources!),
        atMost('≤ +0.7 CPU-s/M for the outbox', durable[durable.length >> 1]!, 0.7, compiled!, memory!),
      ],
      notes: [
        `${bank.ports.length} machines of ${bank.registers} uint16 points; every poll finds every register changed`,
        'hub end: mosquitto with TLS and a subscriber that counts; the message is rich JSON, one event a machine and 60 kB',
        ...(limit.note ? [limit.note] : []),
      ],
    };
  },
};
