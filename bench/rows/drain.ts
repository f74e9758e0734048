import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type GatewayProcess, startGateway } from '../harness/gateway.ts';
import { type HubEnd, startHubEnd } from '../harness/hub-end.ts';
import { tooBusy, watchLoad } from '../harness/machine.ts';
import { modbusMappings } from '../harness/mappings.ts';
import { startModbusBank } from '../harness/modbus.ts';
import type { Bar, EntryResult, RowResult } from '../harness/report.ts';
import { median, spread } from '../harness/statistics.ts';
import { scratch } from '../harness/tools.ts';
import type { Row } from './row.ts';

interface Drain {
  readonly liveRate: number;
  readonly backlog: number;
  readonly drainRate: number;
  readonly seconds: number;
  readonly cpuPerMillion: number;
  readonly peakMB: number;
  readonly dropped: number;
  readonly bytesPerValue: number;
  readonly busy: string | undefined;
}

/** The hub was away; how much faster than live does the backlog leave once it is back, while live goes on? */
export const drain: Row = {
  name: 'drain',
  title: 'backlog drain while live goes on',
  async run(options) {
    using folder = scratch();
    await using bank = await startModbusBank(10, options.quick ? 2000 : 10_000);
    const points = bank.ports.length * bank.registers;
    const awayMs = options.quick ? 6_000 : 20_000;
    const kinds = { plain: [] as Drain[], zstd: [] as Drain[] };
    for (let repeat = 1; repeat <= options.repeats; repeat++) {
      for (const kind of ['plain', 'zstd'] as const) {
        options.progress(`${kind}, ${repeat} of ${options.repeats}`);
        await using hub = await startHubEnd(folder.path, { count: false, compressed: kind === 'zstd' });
        await using gateway = await startGateway({
          name: 'dragoman run, compiled',
          folder: join(folder.path, `${kind}-${repeat}`),
          mappings: modbusMappings(bank.ports, bank.registers),
          points,
          hub,
          main: options.compiled(),
        });
        await sleep(3_000);
        kinds[kind].push(await outage(gateway, hub, awayMs));
      }
    }
    return result(this, kinds, points, awayMs);
  },
};

async function outage(gateway: GatewayProcess, hub: HubEnd, awayMs: number): Promise<Drain> {
  const first = await gateway.status();
  await hub.stop();
  await sleep(awayMs);
  const before = await gateway.status();
  const liveRate = (before.accounts.queued - first.accounts.queued) / (awayMs / 1000);
  const backlog = before.accounts.pending;
  await hub.restart();
  // The clock runs from the first acknowledgement: how long the gateway waits before it dials again is not drain.
  let status = before;
  let start = performance.now();
  let cpu = gateway.process.usage().cpuSeconds;
  for (const endMs = start + 60_000; status.accounts.acked === before.accounts.acked && performance.now() < endMs; ) {
    start = performance.now();
    cpu = gateway.process.usage().cpuSeconds;
    await sleep(15);
    status = await gateway.status();
  }
  const watch = watchLoad();
  const ours = [gateway.process, hub.broker];
  const own = ours.map((process) => process.usage().cpuSeconds);
  while (status.accounts.pending > liveRate * 0.7) {
    if (performance.now() - start > 120_000) throw new Error(`${status.accounts.pending} readings still wait after two minutes`);
    await sleep(15);
    status = await gateway.status();
  }
  const seconds = (performance.now() - start) / 1000;
  const acked = status.accounts.acked - before.accounts.acked;
  const usage = gateway.process.usage();
  return {
    liveRate,
    backlog,
    drainRate: acked / seconds,
    seconds,
    cpuPerMillion: ((usage.cpuSeconds - cpu) / acked) * 1e6,
    peakMB: usage.peakMB,
    dropped: status.accounts.dropped,
    bytesPerValue: (status.destinations.hub.sentBytes - before.destinations.hub.sentBytes) / acked,
    busy: tooBusy(watch.stop(ours.reduce((sum, process, at) => sum + process.usage().cpuSeconds - own[at]!, 0) + 0.2)),
  };
}

function result(row: Row, kinds: { plain: Drain[]; zstd: Drain[] }, points: number, awayMs: number): RowResult {
  const entries = Object.entries(kinds).map(([kind, runs]): EntryResult => {
    const of = (pick: (drain: Drain) => number): number => median(runs.map(pick));
    return {
      name: `dragoman run, compiled, ${kind} to the hub`,
      role: 'ours',
      figures: {
        'values/s drained': of((d) => d.drainRate),
        'values/s live': of((d) => d.liveRate),
        'readings waited': of((d) => d.backlog),
        's until live': of((d) => d.seconds),
        'CPU-s/M': of((d) => d.cpuPerMillion),
        'B/value': of((d) => d.bytesPerValue),
        'peak MB': of((d) => d.peakMB),
        dropped: of((d) => d.dropped),
      },
      spread: spread(runs.map((d) => d.drainRate)),
      repeats: runs.length,
      runs,
    };
  });
  const bar = (runs: readonly Drain[], bound: number, how: string): Bar => {
    const value = median(runs.map((d) => d.drainRate / d.liveRate));
    const text = `≥ ${bound}× the live rate, ${how}`;
    // A neighbour can only make it slower, so a bar that is passed is passed.
    const busy = value < bound ? runs.find((d) => d.busy)?.busy : undefined;
    return busy ? { text, value, holds: undefined, reason: `machine busy: ${busy}` } : { text, value, holds: value >= bound };
  };
  const dropped = Math.max(...[...kinds.plain, ...kinds.zstd].map((d) => d.dropped));
  return {
    row: row.name,
    title: row.title,
    entries,
    bars: [
      bar(kinds.plain, 8, 'plain'),
      bar(kinds.zstd, 20, 'compressed'),
      { text: 'nothing dropped', value: dropped, holds: dropped === 0 },
    ],
    notes: [
      `${points} registers @ 1 Hz go on all the time; the broker is away for ${awayMs / 1000} s; counted by what it acknowledged after that`,
      'over when no more waits than live traffic leaves waiting (0.7 s of it)',
    ],
  };
}
