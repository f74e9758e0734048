import type { Query } from '../query/language.ts';
import { parseQuery } from '../query/parser.ts';
import type { Candidate } from './assign.ts';
import type { Configuration } from './contract.ts';
import { type RolloutSettings, readRollout } from './rollout/settings.ts';
import { systemQueries } from './system-queries.ts';
import { compileTarget, type Target } from './target.ts';

/** A configuration with everything that is asked of many devices made ready. */
export interface Compiled extends Candidate {
  readonly configuration: Configuration;
  readonly target: Target;
  readonly rollout: RolloutSettings | undefined;
  readonly systemQueries: Readonly<Record<string, string>>;
  /** All but `targetedCount`, which is what the target says. */
  readonly system: readonly (readonly [string, Query])[];
  readonly custom: readonly (readonly [string, Query])[];
}

/** What was checked when it was taken, so nothing is thrown here. */
export function compile(configuration: Configuration): Compiled {
  const { id, kind, priority, createdMs, targetCondition, labels, metrics } = configuration;
  const target = compileTarget(targetCondition, kind);
  const queries = systemQueries(id, kind, target);
  const parsed = (all: Readonly<Record<string, string>>) =>
    Object.entries(all).map(([name, text]): [string, Query] => [name, parseQuery(text)]);
  const { targetedCount: _, ...rest } = queries;
  return {
    ...{ id, kind, priority, createdMs, configuration, target },
    rollout: readRollout(labels).settings,
    systemQueries: queries,
    system: parsed(rest),
    custom: parsed(metrics),
  };
}

/** Names a content for good: a configuration that is deleted and made again is another one. */
export const contentKey = ({ id, createdMs }: Candidate): string => `${id}@${createdMs}`;
