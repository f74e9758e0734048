/**
 * Which engine for the outbox: our segmented log against node:sqlite (WAL, synchronous FULL, one row for each zstd block, in a worker),
 * and against nothing. `node bench/outbox-engines.ts [--repeats 3] [--json]`; the figures of docs/decisions/0005-outbox-engine.md.
 *
 * Each run is a process of its own, so that its CPU time is the engine's with all its threads; contestants take turns.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openOutbox } from '../gateway/outbox/outbox.ts';
import { openSqliteOutbox, type SmallOutbox } from './outbox-sqlite.ts';

const engines = ['nothing', 'segments', 'sqlite'] as const;
const workloads = ['batches', 'small'] as const;
type Engine = (typeof engines)[number];
type Workload = (typeof workloads)[number];

interface Result {
  /** Records (events) and readings a second while nothing holds back but the disk. */
  readonly recordsPerSecond: number;
  /** Of appending alone, into a backlog. */
  readonly appendMicrosPerRecord: number;
  readonly bytesPerReading: number;
  /** From the call of append to its promise, at a steady rate. */
  readonly commitP50: number;
  readonly commitP99: number;
  /** Appended, handed out plain, acknowledged, at a steady rate: CPU seconds for a million readings. */
  readonly liveCpuPerMillion: number;
  readonly plainDrain: number;
  readonly compressedDrain: number;
  readonly reopenMs: number;
}

const { values: options } = parseArgs({
  options: {
    repeats: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    child: { type: 'string' },
    folder: { type: 'string' },
  },
});
if (options.child) {
  const [engine, workload] = options.child.split('/') as [Engine, Workload];
  console.log(JSON.stringify(await measure(engine, workload, options.folder!)));
} else await compare(Number(options.repeats));

/** Rich JSON of 1000 readings, or one small event of 200 bytes. */
function makeEvents(workload: Workload): { readonly readings: number; readonly encode: (n: number) => (sequence: number) => string } {
  const variants = Array.from({ length: 32 }, (_, k) => {
    const readings = Array.from({ length: workload === 'batches' ? 1000 : 1 }, (_, i) => ({
      point: `register_${i}`,
      value: Math.round(Math.sin(k * 31 + i) * 20_000) / 10,
      time: `2026-11-24T08:00:0${k % 10}.${String((k * 37) % 1000).padStart(3, '0')}Z`,
    }));
    // Through a buffer, so that the text is one piece as the pipeline makes it.
    return Buffer.from(JSON.stringify(readings)).toString('latin1');
  });
  return {
    readings: workload === 'batches' ? 1000 : 1,
    encode: (n) => (sequence) =>
      `{"specversion":"1.0","id":"gw/1/${sequence}","source":"/bench","type":"dragoman.telemetry.v1","sequence":"${sequence}","data":{"readings":${variants[n % 32]}}}`,
  };
}

async function open(engine: Engine, folder: string): Promise<SmallOutbox> {
  if (engine === 'sqlite') return openSqliteOutbox(folder);
  if (engine === 'nothing') return nothing();
  const outbox = await openOutbox({
    folder,
    maxSizeBytes: 4 * 1024 ** 3,
    maxAgeMs: 7 * 86_400_000,
    whenFull: 'drop-oldest',
    commitEveryMs: 20,
    encodeGap: (gap, sequence) => JSON.stringify({ gap, sequence }),
  });
  return {
    append: (event) => outbox.append(event),
    next: (compressed, signal) => outbox.cursor('hub').next({ maxBodyBytes: 256 * 1024, compressed }, signal),
    acknowledge: (batch) => outbox.cursor('hub').acknowledge(batch as never),
    bytesOnDisk: () => outbox.counters().bytesOnDisk,
    [Symbol.asyncDispose]: () => outbox[Symbol.asyncDispose](),
  };
}

/** The loop itself: what encoding and counting cost without an outbox. */
function nothing(): SmallOutbox {
  return {
    append: (event) => Promise.resolve(void Buffer.from(event.encode(1))),
    next: () => Promise.resolve(undefined),
    acknowledge: () => {},
    bytesOnDisk: () => 0,
    async [Symbol.asyncDispose]() {},
  };
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function measure(engine: Engine, workload: Workload, folder: string): Promise<Result> {
  const { readings, encode } = makeEvents(workload);
  const records = workload === 'batches' ? 4_000 : 400_000;
  const append = (outbox: SmallOutbox, n: number): Promise<void> => {
    const now = Date.now();
    return outbox.append({ encode: encode(n), readings, fromMs: now, toMs: now });
  };
  const backlog = async (outbox: SmallOutbox): Promise<{ seconds: number; cpu: number }> => {
    const [start, cpu] = [performance.now(), cpuSeconds()];
    const window = workload === 'batches' ? 32 : 4_000;
    let [waiting, last] = [Promise.resolve(), Promise.resolve()];
    for (let n = 0; n < records; n++) {
      last = append(outbox, n);
      if (n % window === 0) {
        await waiting;
        waiting = last;
      }
    }
    await last;
    return { seconds: (performance.now() - start) / 1000, cpu: cpuSeconds() - cpu };
  };
  const drain = async (outbox: SmallOutbox, compressed: boolean): Promise<number> => {
    if (engine === 'nothing') return Number.NaN;
    const start = performance.now();
    for (let left = records * readings; left > 0; ) {
      const batch = (await outbox.next(compressed, new AbortController().signal))!;
      left -= batch.readings;
      outbox.acknowledge(batch);
    }
    return (records * readings) / ((performance.now() - start) / 1000);
  };

  let outbox = await open(engine, folder);
  const live = await steady(outbox, append, readings, engine);
  const first = await backlog(outbox);
  const bytes = outbox.bytesOnDisk();
  const plainDrain = await drain(outbox, false);
  const second = await backlog(outbox);
  await outbox[Symbol.asyncDispose]();
  const reopening = performance.now();
  outbox = await open(engine, folder);
  const reopenMs = performance.now() - reopening;
  const compressedDrain = await drain(outbox, true);
  await outbox[Symbol.asyncDispose]();
  const best = second.seconds < first.seconds ? second : first;
  return {
    recordsPerSecond: records / best.seconds,
    appendMicrosPerRecord: ((first.cpu + second.cpu) / 2 / records) * 1e6,
    bytesPerReading: bytes / (records * readings),
    ...live,
    plainDrain,
    compressedDrain,
    reopenMs,
  };
}

/** 100 000 readings a second (5 000 small events) for six seconds, after two that warm up; a consumer that keeps up. */
async function steady(
  outbox: SmallOutbox,
  append: (outbox: SmallOutbox, n: number) => Promise<void>,
  readings: number,
  engine: Engine,
): Promise<Pick<Result, 'commitP50' | 'commitP99' | 'liveCpuPerMillion'>> {
  const perTick = readings === 1 ? 50 : 1;
  const [warm, total] = [perTick * 200, perTick * 800];
  const stop = new AbortController();
  let got = 0;
  const consumer = (async () => {
    while (engine !== 'nothing' && got < total * readings) {
      const batch = await outbox.next(false, stop.signal);
      if (!batch) return;
      got += batch.readings;
      outbox.acknowledge(batch);
    }
  })();
  const waits: number[] = [];
  let cpu = 0;
  const start = performance.now();
  for (let tick = 0, n = 0; n < total; tick++) {
    const now = performance.now();
    if (n === warm) {
      cpu = cpuSeconds();
      waits.length = 0;
    }
    const appended = Array.from({ length: perTick }, () => append(outbox, n++)).at(-1)!;
    void appended.then(() => waits.push(performance.now() - now));
    const rest = start + (tick + 1) * 10 - performance.now();
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
  }
  await consumer;
  const liveCpuPerMillion = ((cpuSeconds() - cpu) / ((total - warm) * readings)) * 1e6;
  waits.sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.floor(waits.length * share)] ?? Number.NaN;
  return { commitP50: at(0.5), commitP99: at(0.99), liveCpuPerMillion };
}

async function compare(repeats: number): Promise<void> {
  const runs = new Map<string, Result[]>();
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const workload of workloads) {
      for (const engine of engines) {
        process.stderr.write(`${engine}, ${workload}, ${repeat} of ${repeats}\n`);
        const key = `${engine}/${workload}`;
        runs.set(key, [...(runs.get(key) ?? []), await runChild(key)]);
      }
    }
  }
  const medians = Object.fromEntries([...runs].map(([key, results]) => [key, medianOf(results)]));
  const load = { cores: availableParallelism(), loadAverage: loadavg()[0]! };
  if (options.json) console.log(JSON.stringify({ load, repeats, medians, runs: Object.fromEntries(runs) }, null, 2));
  else print(medians, load);
}

async function runChild(key: string): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'dragoman-bench-'));
  try {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), '--child', key, '--folder', folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    await new Promise<void>((resolve, reject) => {
      child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${key} ended with ${code}`))));
    });
    return JSON.parse(text) as Result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function medianOf(results: readonly Result[]): Result {
  const keys = Object.keys(results[0]!) as (keyof Result)[];
  const middle = (key: keyof Result): number => results.map((r) => r[key]).toSorted((a, b) => a - b)[Math.floor(results.length / 2)]!;
  return Object.fromEntries(keys.map((key) => [key, middle(key)])) as unknown as Result;
}

function print(medians: Readonly<Record<string, Result>>, load: { readonly cores: number; readonly loadAverage: number }): void {
  const number = (value: number | null, digits = 1): string => (value === null || Number.isNaN(value) ? '–' : value.toFixed(digits));
  for (const workload of workloads) {
    const free = medians[`nothing/${workload}`]!;
    console.log(
      `\n${workload === 'batches' ? '65 KB events of 1000 readings, 100 000 readings/s' : '200 B events of one reading, 5 000/s'}`,
    );
    const rows = engines.map((engine) => {
      const r = medians[`${engine}/${workload}`]!;
      return {
        engine,
        'append, k records/s': number(r.recordsPerSecond / 1000, 2),
        'append, CPU µs/record': number(r.appendMicrosPerRecord - (engine === 'nothing' ? 0 : free.appendMicrosPerRecord)),
        'live, CPU-s/M': number(r.liveCpuPerMillion - (engine === 'nothing' ? 0 : free.liveCpuPerMillion), 2),
        'commit p50/p99 ms': `${number(r.commitP50)} / ${number(r.commitP99)}`,
        'drain plain, M/s': number(r.plainDrain && r.plainDrain / 1e6, 2),
        'drain zstd, M/s': number(r.compressedDrain && r.compressedDrain / 1e6, 2),
        'B/reading on disk': number(r.bytesPerReading),
        'reopen ms': number(r.reopenMs, 0),
      };
    });
    console.table(rows);
  }
  console.log('CPU of the engines is without what the loop costs with nothing (first row). Medians.');
  const busy = load.loadAverage > load.cores;
  console.log(
    busy
      ? `No verdict: load ${load.loadAverage.toFixed(1)} on ${load.cores} cores.`
      : `Load ${load.loadAverage.toFixed(1)} on ${load.cores} cores.`,
  );
}
