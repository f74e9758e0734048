import { readdirSync, readFileSync } from 'node:fs';

/** What a process has used so far, all its threads together. */
export interface Usage {
  /** User and system time, seconds since its start. */
  readonly cpuSeconds: number;
  readonly rssMB: number;
  /** Highest RSS so far. */
  readonly peakMB: number;
}

/** USER_HZ of every Linux that Node runs on. */
const ticksPerSecond = 100;

/**
 * Reads /proc. The tick counters of `stat` (10 ms) know threads that have ended; the nanoseconds of `schedstat`
 * know only living ones. A window of a few seconds of a cheap loop is ten ticks, so the finer one is used where the two agree.
 */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command name may hold spaces and brackets; the numbers start after the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const coarse = (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  const fine = scheduledSeconds(pid);
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpuSeconds: fine !== undefined && Math.abs(fine - coarse) < 0.05 ? fine : coarse,
    rssMB: megabytes(status, 'VmRSS'),
    peakMB: megabytes(status, 'VmHWM'),
  };
}

function scheduledSeconds(pid: number): number | undefined {
  try {
    let nanoseconds = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    }
    return nanoseconds / 1e9;
  } catch {
    return undefined; // a thread ended under our hands, or the kernel was built without it
  }
}

function megabytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
}
