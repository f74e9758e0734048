import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

/** How busy the machine was, and with what, while a window was measured. */
export interface Load {
  /** CPU seconds per second of everything on this machine. */
  readonly totalCores: number;
  /** The part of it that none of our processes used. */
  readonly otherCores: number;
  /** Processes that were running or waiting for a core, on average. */
  readonly runnable: number;
  /** Our own processes were to use every core there is: that more than these wanted to run says nothing about the neighbours. */
  readonly flatOut?: boolean;
}

export const cores = availableParallelism();

/** Why figures taken under this load are worth no verdict; undefined when they are. */
export function tooBusy(load: Load): string | undefined {
  if (load.otherCores > 0.25) return `other work took ${load.otherCores.toFixed(2)} cores`;
  if (!load.flatOut && load.runnable > cores) return `${load.runnable.toFixed(1)} processes wanted ${cores} cores`;
  return undefined;
}

/** Watches from now on; `stop` gives the load between, less `ownCpuSeconds` that our own processes used in that time. */
export function watchLoad(): { stop(ownCpuSeconds: number): Load } {
  const startBusy = busySeconds();
  const startMs = performance.now();
  const runnable: number[] = [];
  const timer = setInterval(() => runnable.push(runnableNow()), 200);
  return {
    stop(ownCpuSeconds) {
      clearInterval(timer);
      const seconds = (performance.now() - startMs) / 1000;
      const total = busySeconds() - startBusy;
      return {
        totalCores: total / seconds,
        otherCores: Math.max(0, total - ownCpuSeconds) / seconds,
        runnable: runnable.reduce((sum, n) => sum + n, 0) / Math.max(1, runnable.length),
      };
    },
  };
}

/** Everything but idle and waiting for a disk, of all cores. */
function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] = readFileSync('/proc/stat', 'utf8')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + soft + steal) / 100;
}

/** Without ourselves: who reads this is running. */
function runnableNow(): number {
  const running = readFileSync('/proc/loadavg', 'utf8').split(' ')[3]!.split('/')[0];
  return Math.max(0, Number(running) - 1);
}

export function describeMachine(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    node: process.version,
    loadAverage: Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]),
  };
}
