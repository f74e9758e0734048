import type { DesiredAnswer, RemoteConfiguration } from './remote.ts';

/** What became of a section, in the words of the twin agent. */
export interface SectionOutcome {
  readonly status: 'applied' | 'refused' | 'waiting';
  readonly message: string;
}

/** The top-level keys of the desired properties that are ours. */
export const configurationSections = ['mappings', 'mappingParts', 'settings'] as const;

/**
 * One applier for all of our sections: each time one of them changes, all are looked at together, for a mapping and its parts belong
 * together. `desired` gives the whole section of desired properties as it is now. Register it for each of `configurationSections`, in a
 * lane of their own: a fetch may take half a minute. Missing parts are answered `waiting`: a later patch brings them.
 * What could not be fetched is tried again by itself; `onAnswer` hears of every attempt.
 */
export function configurationApplier(
  remote: RemoteConfiguration,
  desired: () => Readonly<Record<string, unknown>>,
  who = 'hub',
  onAnswer: (answer: DesiredAnswer) => void = () => {},
): (value: unknown, previous: unknown, version: number, signal: AbortSignal) => Promise<SectionOutcome> {
  let retry: NodeJS.Timeout | undefined;
  const attempt = async (version: number, signal: AbortSignal): Promise<DesiredAnswer> => {
    clearTimeout(retry);
    // The twin agent keeps the order; another hub begins to count anew.
    const answer = await remote.apply(desired(), version, who, signal, { reset: true });
    if (answer.retryAfterMs !== undefined && !signal.aborted) {
      retry = setTimeout(() => void attempt(version, signal), answer.retryAfterMs).unref();
    }
    onAnswer(answer);
    return answer;
  };
  return async (_value, _previous, version, signal) => {
    const answer = await attempt(version, signal);
    return { status: statusOf[answer.state], message: messageOf(answer) };
  };
}

const statusOf = { applied: 'applied', unchanged: 'applied', waiting: 'waiting', refused: 'refused', stale: 'refused' } as const;

/** The first problem in words; all of them are in the report. */
function messageOf({ message, diagnostics }: DesiredAnswer): string {
  const [first] = diagnostics?.problems ?? [];
  if (!first || diagnostics?.errors === 0) return message;
  const hint = first.hint === undefined ? '' : `; ${first.hint}`;
  return `${message}: ${first.file}:${first.line}:${first.column} ${first.rule}: ${first.message}${hint}`;
}
