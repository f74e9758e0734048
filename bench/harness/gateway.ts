import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { freePort } from '../../test/support/ports.ts';
import type { Measured, Running } from './contest.ts';
import { type BenchProcess, startProcess } from './process.ts';
import { node, root } from './tools.ts';

/** What of `GET /status` the bench reads. */
export interface Status {
  readonly accounts: {
    readonly sampled: number;
    readonly suppressed: number;
    readonly queued: number;
    readonly acked: number;
    readonly dropped: number;
    readonly pending: number;
  };
  readonly outbox: { readonly commits: number; readonly bytesOnDisk: number; readonly gaps: number };
  readonly destinations: { readonly hub: { readonly connected: boolean; readonly sent: number; readonly sentBytes: number } };
  readonly equipment: readonly {
    readonly id: string;
    readonly connected: boolean;
    readonly points: number;
    readonly adapterCounters: Readonly<Record<string, number>>;
  }[];
}

export interface GatewayProcess extends Running {
  status(): Promise<Status>;
}

export const gatewayId = 'bench';

/** Where the gateway sends to. */
export interface Hub {
  /** The `hub:` block of dragoman.yaml. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly broker: Measured;
  readonly counter?: BenchProcess | undefined;
}

export interface GatewayOptions {
  readonly name: string;
  /** A fresh folder. */
  readonly folder: string;
  /** File name to text; written below `mappings/`. */
  readonly mappings: Readonly<Record<string, string>>;
  readonly hub: Hub;
  /** How many points the mappings make. */
  readonly points: number;
  /** `gateway/main.ts`, or the compiled one. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArguments?: readonly string[];
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Starts `dragoman run` and returns when every point has reached the hub at least once. */
export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const { folder, hub } = options;
  const { process: gateway, api } = await spawnGateway(options);
  const status = async (): Promise<Status> => (await (await fetch(`http://127.0.0.1:${api}/status`)).json()) as Status;
  try {
    await until(async () => (await status()).accounts.acked >= options.points, 120_000, `all ${options.points} points at the hub`);
  } catch (error) {
    const last = await status().catch(() => undefined);
    await gateway[Symbol.asyncDispose]();
    throw new Error(`${(error as Error).message}\n${JSON.stringify(last)?.slice(0, 2000)}\n${gateway.output().slice(-4000)} (${folder})`);
  }
  return {
    process: gateway,
    helpers: [hub.broker, ...(hub.counter ? [hub.counter] : [])],
    status,
    values: async () => (await status()).accounts.acked,
    ...(hub.counter ? { delivered: () => hub.counter!.count() } : {}),
    totals: async () => totalsOf(await status()),
    [Symbol.asyncDispose]: () => gateway.stop('SIGTERM'),
  };
}

/** Writes the configuration and starts the process; waits for nothing. */
export async function spawnGateway(options: GatewayOptions): Promise<{ readonly process: BenchProcess; readonly api: number }> {
  const { folder } = options;
  mkdirSync(join(folder, 'mappings'), { recursive: true });
  for (const [file, text] of Object.entries(options.mappings)) writeFileSync(join(folder, 'mappings', file), text);
  const api = await freePort();
  const config = {
    gateway: gatewayId,
    hub: options.hub.config,
    data: './data',
    api: { listen: `127.0.0.1:${api}` },
    log: { level: 'warn' },
    ...options.config,
  };
  writeFileSync(join(folder, 'dragoman.yaml'), stringify(config));
  const process = startProcess(
    node,
    [...(options.nodeArguments ?? []), options.main ?? join(root, 'gateway', 'main.ts'), 'run', '--config', join(folder, 'dragoman.yaml')],
    { name: options.name, cwd: folder, ...(options.env ? { env: options.env } : {}) },
  );
  return { process, api };
}

function totalsOf(status: Status): Record<string, number> {
  const sums: Record<string, number> = {
    'late polls': 0,
    timeouts: 0,
    requests: 0,
    commits: status.outbox.commits,
    dropped: status.accounts.dropped,
  };
  sums['bytes sent'] = status.destinations.hub.sentBytes;
  for (const { adapterCounters } of status.equipment) {
    sums['late polls']! += adapterCounters.latePolls ?? 0;
    sums.timeouts! += adapterCounters.timeouts ?? 0;
    sums.requests! += adapterCounters.requests ?? 0;
  }
  return sums;
}

/** Polls; a refused connection counts as not yet. */
export async function until(condition: () => Promise<boolean>, withinMs: number, what: string): Promise<void> {
  for (const endMs = Date.now() + withinMs; ; await sleep(100)) {
    if (await condition().catch(() => false)) return;
    if (Date.now() > endMs) throw new Error(`not within ${withinMs / 1000} s: ${what}`);
  }
}
