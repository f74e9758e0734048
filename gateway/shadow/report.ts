import { formatDuration } from '../../mappings/duration.ts';
import { table } from '../commands/table.ts';
import type { PointPair } from './plan.ts';
import type { ShadowRecord, ShadowState } from './record.ts';
import { percent, roughly, type ShadowRule } from './rule.ts';
import type { PointStatistics } from './statistics.ts';
import type { Traffic } from './traffic.ts';

/** What is known of a pair of points beside its statistics; of a run that is over, only the names. */
export type PairFacts = Pick<PointPair, 'name' | 'renamedFrom' | 'changes'> & {
  readonly running: { readonly unit?: string | undefined } | undefined;
  readonly candidate: { readonly unit?: string | undefined } | undefined;
};

export interface PointReport {
  readonly point: string;
  readonly renamedFrom?: string;
  /** `candidate`: new. `running`: the candidate has it no more. */
  readonly onlyIn?: 'running' | 'candidate';
  /** What differs in the mappings. */
  readonly changes?: readonly string[];
  readonly compared: number;
  readonly different: number;
  /** Of the pairs compared. */
  readonly share: number;
  /** Beyond what the rule allows. */
  readonly excess: number;
  /** Pairs that were not of one answer. */
  readonly apart?: number;
  readonly max?: number;
  readonly mean?: number;
  /** Against the running value; absent where that was 0. */
  readonly maxRelative?: number;
  /** The candidate is the running value times this, always. */
  readonly factor?: number;
  /** … or plus this, always. */
  readonly offset?: number;
  readonly quality?: number;
  readonly status?: number;
  readonly units?: string;
  /** Samples seen of a point that only one mapping has. */
  readonly samples?: number;
  readonly good?: number;
  readonly worst?: { readonly time: string; readonly running: string; readonly candidate: string };
  readonly last?: string;
}

export interface MachineReport {
  readonly equipment: string;
  readonly points: number;
  readonly compared: number;
  /** Points with a difference, the ones that differ most often first; then those that only one side has. */
  readonly differences: readonly PointReport[];
  readonly more?: number;
  /** What left, and what would have: readings after deadbands, and their text in bytes. */
  readonly sends?: Traffic & { readonly intervalsDiffer?: true };
  /** Points under both mappings of which no pair came. */
  readonly unseen: readonly string[];
}

export interface ShadowReport {
  readonly id: number;
  readonly state: ShadowState;
  readonly reason?: string;
  readonly file: string;
  readonly note?: string;
  readonly who: string;
  readonly started: string;
  readonly ended?: string;
  /** Time in which values came of all its machines. */
  readonly observed: string;
  readonly elapsed: string;
  readonly of: string;
  readonly interruptions?: number;
  readonly rule: string;
  /** Why it does not promote itself yet. */
  readonly unmet?: readonly string[];
  readonly snapshot?: number;
  readonly machines: readonly MachineReport[];
}

export interface MachineFacts {
  readonly equipment: string;
  readonly traffic?: Traffic;
  /** The candidate asks for some point more or less often, which was not tried: both were compared at the interval that runs. */
  readonly otherIntervals?: boolean;
  readonly pairs: readonly { readonly facts: PairFacts; readonly statistics: PointStatistics }[];
}

export function reportOf(
  record: ShadowRecord,
  machines: readonly MachineFacts[],
  unmet: readonly string[] | undefined,
  mostPoints: number,
): ShadowReport {
  const { id, state, reason, file, note, who, startedMs, endedMs, observedMs, elapsedMs, interruptions, rule, snapshot } = record;
  return {
    id,
    state,
    ...(reason !== undefined && { reason }),
    file,
    ...(note !== undefined && { note }),
    who,
    started: new Date(startedMs).toISOString(),
    ...(endedMs !== undefined && { ended: new Date(endedMs).toISOString() }),
    observed: roughly(observedMs),
    elapsed: roughly(elapsedMs),
    of: formatDuration(rule.forMs),
    ...(interruptions > 0 && { interruptions }),
    rule: ruleText(rule),
    ...(unmet && { unmet: unmet.slice(0, 10) }),
    ...(snapshot !== undefined && { snapshot }),
    machines: machines.map((machine) => machineReport(machine, mostPoints)),
  };
}

function machineReport({ equipment, pairs, traffic, otherIntervals }: MachineFacts, mostPoints: number): MachineReport {
  const reports = pairs.map(({ facts, statistics }) => pointReport(facts, statistics));
  const notable = reports
    .filter(
      ({ different, onlyIn, excess, renamedFrom }) => different > 0 || excess > 0 || onlyIn !== undefined || renamedFrom !== undefined,
    )
    .toSorted((a, b) => rank(a) - rank(b) || b.share - a.share || (b.max ?? 0) - (a.max ?? 0));
  const more = notable.length - mostPoints;
  return {
    equipment,
    points: pairs.length,
    compared: reports.filter(({ compared }) => compared > 0).length,
    differences: notable.slice(0, mostPoints),
    ...(more > 0 && { more }),
    ...(traffic && { sends: { ...traffic, ...(otherIntervals && { intervalsDiffer: true as const }) } }),
    unseen: reports
      .filter(({ compared, onlyIn }) => compared === 0 && onlyIn === undefined)
      .map(({ point }) => point)
      .slice(0, mostPoints),
  };
}

/** The same with fewer points. */
export function shortened(report: ShadowReport, mostPoints = 200): ShadowReport {
  const machines = report.machines.map(({ differences, more = 0, unseen, ...rest }) => {
    const left = Math.max(0, differences.length - mostPoints) + more;
    return { ...rest, differences: differences.slice(0, mostPoints), ...(left > 0 && { more: left }), unseen: unseen.slice(0, mostPoints) };
  });
  return { ...report, machines };
}

function rank({ onlyIn }: PointReport): number {
  return onlyIn === undefined ? 0 : 1;
}

function pointReport({ name, renamedFrom, changes, running, candidate }: PairFacts, s: PointStatistics): PointReport {
  const onlyIn = running && candidate ? undefined : running ? 'running' : 'candidate';
  const units =
    running && candidate && running.unit !== candidate.unit ? `${running.unit ?? 'none'} -> ${candidate.unit ?? 'none'}` : undefined;
  return {
    point: name,
    ...(renamedFrom !== undefined && { renamedFrom }),
    ...(onlyIn && { onlyIn, samples: s.onlyRunning + s.onlyCandidate, ...(onlyIn === 'candidate' && { good: s.onlyCandidateGood }) }),
    ...(changes.length > 0 && { changes }),
    compared: s.pairs,
    different: s.different,
    share: s.pairs === 0 ? 0 : s.different / s.pairs,
    excess: s.excess,
    ...(s.apart > 0 && { apart: s.apart }),
    ...(s.numbers > 0 && s.value > 0 && { max: s.maxAbsolute, mean: s.sumAbsolute / s.numbers }),
    ...(s.maxRelative > 0 && s.maxRelative < Number.MAX_VALUE && { maxRelative: s.maxRelative }),
    ...patternOf(s),
    ...(s.quality > 0 && { quality: s.quality }),
    ...(s.status > 0 && { status: s.status }),
    ...(units !== undefined && { units }),
    ...(s.worst && {
      worst: { time: new Date(s.worst.atMs).toISOString(), running: shown(s.worst.running), candidate: shown(s.worst.candidate) },
    }),
    ...(s.lastDifferentMs !== null && { last: new Date(s.lastDifferentMs).toISOString() }),
  };
}

const fewestForPattern = 3;

/**
 * A mistake in a mapping is mostly a constant: a factor of ten, an offset of 273.15. Said only where every pair agrees; of a value that
 * never moved both are constant, and nothing is known.
 */
function patternOf({ value, numbers, ratio, difference }: PointStatistics): Pick<PointReport, 'factor' | 'offset'> {
  if (value === 0 || numbers < fewestForPattern || !ratio || !difference) return {};
  const [factor, offset] = [isConstant(ratio), isConstant(difference)];
  if (factor === offset) return {};
  return factor ? { factor: rounded(ratio[0]) } : { offset: rounded(difference[0]) };
}

function isConstant([low, high]: readonly [number, number]): boolean {
  return low !== 0 && high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));
}

function rounded(value: number): number {
  return Number(value.toPrecision(9));
}

function shown({ value, quality, status }: { value: string; quality: string; status: string }): string {
  return quality === 'good' ? value : `${value === '-' ? '' : `${value} `}${quality} ${status}`;
}

function ruleText({ promoteAfterMs, maxDifference, maxDifferentShare }: ShadowRule): string {
  if (promoteAfterMs === undefined) return 'a person decides';
  const limits =
    maxDifference === undefined
      ? 'a difference'
      : typeof maxDifference === 'number'
        ? `a difference above ${maxDifference}`
        : `a difference above ${Object.entries(maxDifference)
            .slice(0, 10)
            .map(([point, most]) => `${point} ${most}`)
            .join(', ')}, any other`;
  if (maxDifferentShare)
    return `promote after ${formatDuration(promoteAfterMs)} with ${limits} in at most ${percent(maxDifferentShare)} of the samples`;
  return `promote after ${formatDuration(promoteAfterMs)} without ${limits}`;
}

/** For a terminal. */
export function formatReport(report: ShadowReport): string {
  const head = [
    `shadow run ${report.id}  ${report.file}  ${report.state}${report.reason === undefined ? '' : `: ${report.reason}`}`,
    `  ${report.elapsed} of ${report.of} are over, values came in ${report.observed}, since ${report.started}, begun by ${report.who}${report.interruptions ? `, went on after ${report.interruptions} restarts` : ''}`,
    `  rule     ${report.rule}`,
    ...(report.unmet ?? []).map((why) => `           not yet: ${why}`),
  ];
  return [...head, ...report.machines.flatMap(formatMachine)].join('\n');
}

function formatMachine({ equipment, points, compared, differences, more, unseen, sends }: MachineReport): string[] {
  const different = differences.filter((one) => one.different > 0).length;
  const lines = ['', `${equipment}: ${points} points, ${compared} compared, ${different + (more ?? 0)} differ`];
  if (differences.length > 0) {
    const header = ['point', 'differs', 'largest', 'mean', 'pattern', 'worst: running', 'candidate', 'mapping'];
    lines.push(table(header, differences.map(rowOf)));
  }
  if (sends) lines.push(trafficText(sends));
  if (more) lines.push(`… and ${more} more points`);
  if (unseen.length > 0)
    lines.push(`no samples yet: ${unseen.slice(0, 10).join(', ')}${unseen.length > 10 ? ` and ${unseen.length - 10} more` : ''}`);
  return lines;
}

function trafficText({ running, candidate, intervalsDiffer }: NonNullable<MachineReport['sends']>): string {
  const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;
  const note = intervalsDiffer ? '; its other intervals, which change that, were not tried' : '';
  return `sends ${running.readings} readings (${kilobytes(running.bytes)}); the candidate would ${candidate.readings} (${kilobytes(candidate.bytes)})${note}`;
}

function rowOf(one: PointReport): string[] {
  const often =
    one.onlyIn === 'running'
      ? 'is dropped'
      : one.onlyIn === 'candidate'
        ? `is new, ${one.good} of ${one.samples} good`
        : `${one.different} of ${one.compared} (${percent(one.share)})`;
  const pattern = [
    ...(one.factor === undefined ? [] : [`x ${one.factor}`]),
    ...(one.offset === undefined ? [] : [one.offset < 0 ? `${one.offset}` : `+${one.offset}`]),
    ...(one.units === undefined ? [] : [`unit ${one.units}`]),
    ...(one.quality === undefined ? [] : [`quality ${one.quality}`]),
  ].join(', ');
  const changes = [...(one.renamedFrom === undefined ? [] : [`was ${one.renamedFrom}`]), ...(one.changes ?? [])].join(', ');
  return [one.point, often, number(one.max), number(one.mean), pattern, one.worst?.running ?? '', one.worst?.candidate ?? '', changes];
}

function number(value: number | undefined): string {
  return value === undefined ? '' : String(Number(value.toPrecision(6)));
}
