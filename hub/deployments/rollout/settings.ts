import { compileCondition, type Predicate } from '../../query/condition.ts';
import { QueryError } from '../../query/language.ts';
import { parseCondition } from '../../query/parser.ts';

/** Up to so many devices, up to this part of them, those of a condition, all. Each adds to those before. */
export type Phase = { readonly text: string } & (
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'fraction'; readonly fraction: number }
  | { readonly kind: 'condition'; readonly matches: Predicate }
  | { readonly kind: 'all' }
);

export interface RolloutSettings {
  /** The last one is `all`. */
  readonly phases: readonly Phase[];
  /** A phase lasts at least this long. */
  readonly waitMs: number;
  /** 0 to 1: more failures than this, of those that have it, end it. */
  readonly failureLimit: number;
  /** Who was connected and has not reported by then has failed. */
  readonly silenceMs: number;
  readonly onFailure: 'stop' | 'rollback';
}

export interface ReadRollout {
  /** Undefined: there is none, or it has problems. */
  readonly settings?: RolloutSettings;
  readonly problems: readonly string[];
}

const defaults = { rolloutWait: '10m', rolloutFailureLimit: '0%', rolloutSilence: '30m', rolloutOnFailure: 'stop' } as const;
const names = ['rolloutPhases', ...Object.keys(defaults)];
const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * A rollout is in the labels of a configuration, so that every client of IoT Hub can ask for one and keeps it:
 * `rolloutPhases: "1, 10%, 50%"` or `"tags.ring = 'canary', 25%"`, `rolloutWait`, `rolloutFailureLimit`, `rolloutSilence`, `rolloutOnFailure`.
 */
export function readRollout(labels: Readonly<Record<string, string>>): ReadRollout {
  const problems: string[] = [];
  const unknown = Object.keys(labels).filter((name) => name.startsWith('rollout') && !names.includes(name));
  for (const name of unknown) problems.push(`labels.${name}: a rollout has ${names.join(', ')}`);
  const given = names.filter((name) => labels[name] !== undefined);
  if (labels.rolloutPhases === undefined) {
    if (given.length > 0) problems.push(`labels.${given[0]}: it needs rolloutPhases, such as "1, 10%, 50%"`);
    return { problems };
  }
  const span = (name: 'rolloutWait' | 'rolloutSilence'): number => {
    const match = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(labels[name] ?? defaults[name]);
    if (!match) problems.push(`labels.${name}: "${labels[name]}" is no time span, write 30s, 10m, 2h or 1d`);
    return match ? Number(match[1]) * unitMs[match[2] as keyof typeof unitMs] : 0;
  };
  const limit = percentage(labels.rolloutFailureLimit ?? defaults.rolloutFailureLimit);
  if (limit === undefined) problems.push(`labels.rolloutFailureLimit: "${labels.rolloutFailureLimit}" is no percentage from 0% to 100%`);
  const onFailure = labels.rolloutOnFailure ?? defaults.rolloutOnFailure;
  if (onFailure !== 'stop' && onFailure !== 'rollback')
    problems.push(`labels.rolloutOnFailure: "${onFailure}" is neither stop nor rollback`);
  const [waitMs, silenceMs] = [span('rolloutWait'), span('rolloutSilence')];
  const phases = readPhases(labels.rolloutPhases, problems);
  if (problems.length > 0) return { problems };
  return { settings: { phases, waitMs, silenceMs, failureLimit: limit as number, onFailure: onFailure as 'stop' | 'rollback' }, problems };
}

/** Commas inside quotes, brackets and parentheses are no ends of a phase. */
const parts = /(?:'[^']*'|\[[^\]]*\]|\([^)]*\)|[^,])+/g;

function readPhases(text: string, problems: string[]): readonly Phase[] {
  const phases: Phase[] = [];
  for (const written of text.match(parts) ?? []) {
    const part = written.trim();
    const fraction = percentage(part);
    if (part === '*' || fraction === 1) phases.push({ kind: 'all', text: 'all' });
    else if (fraction !== undefined && fraction > 0) phases.push({ kind: 'fraction', fraction, text: part });
    else if (/^[1-9]\d{0,8}$/.test(part)) phases.push({ kind: 'count', count: Number(part), text: part });
    else phases.push(...conditionOf(part, problems));
  }
  if (phases.at(-1)?.kind !== 'all') phases.push({ kind: 'all', text: 'all' });
  return phases;
}

function conditionOf(text: string, problems: string[]): readonly Phase[] {
  try {
    return [{ kind: 'condition', matches: compileCondition(parseCondition(text, ['deviceId', 'tags'])), text }];
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    problems.push(`labels.rolloutPhases: "${text}" is no phase, write a count, a percentage or a condition over tags: ${error.message}`);
    return [];
  }
}

function percentage(text: string): number | undefined {
  const match = /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(text.trim());
  const fraction = Number(match?.[1]) / 100;
  return fraction <= 1 ? fraction : undefined;
}
