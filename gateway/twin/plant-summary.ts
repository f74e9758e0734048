import type { TwinObject } from '../../hub-client/contract.ts';
import { sectionSize } from '../../twin/limits.ts';
import type { TwinAgent } from './agent.ts';

export interface MachineState {
  readonly connected: boolean;
  /** Why not, for people. */
  readonly reason?: string | undefined;
}

/** Room for the whole plant in the reported properties; the rest is for versions, configuration and deployments. */
export const summaryBytes = 12 * 1024;
const longestReason = 160;
const longestId = 128;

/** Counts of one machine or of all. A point without any reading yet counts as bad. What is 0 is left out, of `uncertain` and `bad`. */
export interface Counts {
  points: number;
  good: number;
  uncertain: number;
  bad: number;
}

/** How many points of one machine are how. Counted anew each second: making one must not cost an object for each point. */
export interface MachineTally extends Readonly<Counts> {
  readonly id: string;
}

/**
 * The plant in the few words that a twin has room for: sums over all machines, and below `each` the machines, those in trouble first,
 * as many as fit into `maxBytes`; `unlisted` says how many do not. Values are telemetry, not twin: the summary changes when quality does.
 */
export function plantSummary(
  tallies: readonly MachineTally[],
  stateOf: (equipment: string) => MachineState | undefined,
  maxBytes = summaryBytes,
): TwinObject {
  const sum: Counts = { points: 0, good: 0, uncertain: 0, bad: 0 };
  let connected = 0;
  const lines = tallies.map(({ id, ...counts }) => {
    for (const key of ['points', 'good', 'uncertain', 'bad'] as const) sum[key] += counts[key];
    const state = stateOf(id) ?? { connected: counts.good + counts.uncertain > 0 };
    if (state.connected) connected++;
    return { id, trouble: troubleOf(state, counts), line: { connected: state.connected, ...told(counts), ...reasonOf(state) } };
  });
  const each: [string, TwinObject][] = [];
  const head = { machines: lines.length, connected, ...told(sum) };
  let bytes = sectionSize({ ...head, each: {}, unlisted: 0 });
  for (const { id, line } of lines.toSorted((a, b) => b.trouble - a.trouble)) {
    if (id.length > longestId) continue;
    const key = twinKey(id);
    const more = sectionSize({ [key]: line });
    // Those that follow may be shorter; but then which ones are listed would change with every reason.
    if (bytes + more > maxBytes) break;
    bytes += more;
    each.push([key, line]);
  }
  const unlisted = lines.length - each.length;
  return { ...head, each: Object.fromEntries(each), ...(unlisted > 0 && { unlisted }) };
}

/** Keeps the summary in `reported.plant`, looked at every `everyMs`; until disposed. */
export function reportPlant(
  agent: Pick<TwinAgent, 'report'>,
  tallies: () => readonly MachineTally[],
  stateOf: (equipment: string) => MachineState | undefined,
  everyMs = 1_000,
): Disposable {
  const timer = setInterval(() => agent.report('plant', plantSummary(tallies(), stateOf)), everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** A name as a key of a twin: what no key may hold, and the sign itself, as `%2E`. */
export function twinKey(name: string): string {
  return name.replace(/[\s.$#%\p{Cc}]/gu, (character) => encodeURIComponent(character).replace('.', '%2E'));
}

function told({ points, good, uncertain, bad }: Counts): TwinObject {
  return { points, good, ...(uncertain > 0 && { uncertain }), ...(bad > 0 && { bad }) };
}

const troubleOf = ({ connected }: MachineState, { uncertain, bad }: Counts): number =>
  connected ? (bad > 0 ? 2 : uncertain > 0 ? 1 : 0) : 3;

function reasonOf({ connected, reason }: MachineState): { reason?: string } {
  if (connected || reason === undefined) return {};
  return { reason: reason.length <= longestReason ? reason : `${reason.slice(0, longestReason).toWellFormed()}…` };
}
