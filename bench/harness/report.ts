import type { Entry, Measurement, Role } from './contest.ts';
import { tooBusy } from './machine.ts';
import { median, spread } from './statistics.ts';

/** One row of the table: who ran, what came out, which bars were checked. Written as it is to the JSON file. */
export interface RowResult {
  readonly row: string;
  readonly title: string;
  readonly entries: readonly EntryResult[];
  readonly bars: readonly Bar[];
  /** What was not run and why, what was smaller than the row's name says, what a reader must know. */
  readonly notes: readonly string[];
}

/** One contestant: medians over its repeats, and how far the repeats lie apart. */
export interface EntryResult {
  readonly name: string;
  readonly role: Role;
  /** In the order in which the table shows them; the unit is part of the name. */
  readonly figures: Readonly<Record<string, number>>;
  /** (max − min) / median of the first figure. */
  readonly spread: number;
  readonly repeats: number;
  readonly runs?: readonly unknown[];
}

export interface Bar {
  /** `≤ 12× libmodbus loop, CPU`. */
  readonly text: string;
  readonly value: number;
  /** Undefined: no verdict, and `reason` says why. */
  readonly holds: boolean | undefined;
  readonly reason?: string;
}

/** `unit` is what the contestants count. */
export function entryResult(entry: Entry, unit = 'values'): EntryResult {
  const of = (pick: (run: Measurement) => number): number => median(entry.runs.map(pick));
  const totals = Object.fromEntries(Object.keys(entry.runs[0]?.totals ?? {}).map((name) => [name, of((run) => run.totals[name]!)]));
  const helpers = Object.keys(entry.runs[0]?.helpers ?? {}).map((name) => [`${name} CPU %`, of((run) => run.helpers[name]!)]);
  return {
    name: entry.name,
    role: entry.role,
    figures: {
      'CPU-s/M': of((run) => run.cpuPerMillion),
      [`${unit}/s`]: of((run) => run.values / run.seconds),
      ...(entry.runs[0]?.delivered === undefined ? {} : { 'far end/s': of((run) => run.delivered! / run.seconds) }),
      'CPU %': of((run) => run.cpuPercent),
      'RSS MB': of((run) => run.rssMB),
      'peak MB': of((run) => run.peakMB),
      ...Object.fromEntries(helpers),
      ...totals,
      'other cores': of((run) => run.load.otherCores),
    },
    spread: spread(entry.runs.map((run) => run.cpuPerMillion)),
    repeats: entry.runs.length,
    runs: entry.runs,
  };
}

/** Ours over theirs, pair by pair as they ran one after the other, so that a neighbour's noise falls on both. */
export function ratio(ours: Entry, theirs: Entry, pick: (run: Measurement) => number = (run) => run.cpuPerMillion): number {
  return median(ours.runs.map((run, at) => pick(run) / pick(theirs.runs[at]!)));
}

/** A bar that `value` must not pass; no verdict when any of the runs behind it was disturbed. */
export function atMost(text: string, value: number, bound: number, ...behind: readonly Entry[]): Bar {
  return verdict(text, value, value <= bound, behind);
}

export function atLeast(text: string, value: number, bound: number, ...behind: readonly Entry[]): Bar {
  return verdict(text, value, value >= bound, behind);
}

function verdict(text: string, value: number, holds: boolean, behind: readonly Entry[]): Bar {
  const reasons = behind.flatMap((entry) => entry.runs.map((run) => tooBusy(run.load))).filter((reason) => reason !== undefined);
  const runs = behind.reduce((sum, entry) => sum + entry.runs.length, 0);
  // One disturbed repeat does not move a median of three; more may.
  if (reasons.length * 3 > runs) return { text, value, holds: undefined, reason: `machine busy: ${reasons[0]}` };
  return { text, value, holds };
}

const marks = { true: 'holds', false: 'MISSES', undefined: 'no verdict' } as const;

/** The row as a person reads it. */
export function formatRow(result: RowResult): string {
  const lines = ['', `${result.row}: ${result.title}`];
  for (const entry of result.entries) {
    const figures = Object.entries(entry.figures).map(([name, value]) => `${short(value)} ${name}`);
    const repeats = entry.repeats > 1 ? `  (${entry.repeats} runs, spread ${Math.round(entry.spread * 100)} %)` : '';
    lines.push(`  ${entry.role.padEnd(5)}  ${entry.name}${repeats}`, ...wrap(figures, 120).map((line) => `         ${line}`));
  }
  for (const bar of result.bars) {
    lines.push(`  ${marks[`${bar.holds}`].padEnd(10)}  ${short(bar.value)}  (aim ${bar.text})${bar.reason ? `  ${bar.reason}` : ''}`);
  }
  for (const note of result.notes) lines.push(`  note: ${note}`);
  return lines.join('\n');
}

/** Three digits are more than the repeats agree on. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ');
  if (value === 0) return '0';
  return String(Number(value.toPrecision(3)));
}

function wrap(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const part of parts) {
    if (line && line.length + part.length + 2 > width) {
      lines.push(line);
      line = '';
    }
    line += (line ? ', ' : '') + part;
  }
  return line ? [...lines, line] : lines;
}
