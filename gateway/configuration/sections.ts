import type { DesiredAnswer, RemoteConfiguration } from './remote.ts';

/** What became of a section, in the words of the twin agent. */
export interface SectionOutcome {
  readonly status: 'applied' | 'refused' | 'waiting';
  readonly message: string;
}

/** The top-level keys of the desired properties that are ours. */
export const configurationSections = ['mappings', 'mappingParts', 'settings'] as const;
export type ConfigurationSection = (typeof configurationSections)[number];

/**
 * The applier of one of our sections. `desired` gives the whole desired properties as they are now: a mapping and its parts are looked at
 * together. Register all of them in one lane of their own: a fetch may take half a minute. Missing parts are answered `waiting`: a later
 * patch brings them. What could not be fetched is tried again by itself; `onAnswer` hears of every attempt.
 */
export function configurationApplier(
  section: ConfigurationSection,
  remote: RemoteConfiguration,
  desired: () => Readonly<Record<string, unknown>>,
  onAnswer: (section: ConfigurationSection, answer: DesiredAnswer) => void = () => {},
  who = 'hub',
): (value: unknown, previous: unknown, version: number, signal: AbortSignal) => Promise<SectionOutcome> {
  let retry: NodeJS.Timeout | undefined;
  const attempt = async (version: number, signal: AbortSignal): Promise<DesiredAnswer> => {
    clearTimeout(retry);
    // The twin agent keeps the order; another hub begins to count anew.
    const answer = await remote.apply(partOf(section, desired()), version, who, signal, { reset: true });
    if (answer.retryAfterMs !== undefined && !signal.aborted) {
      retry = setTimeout(() => void attempt(version, signal), answer.retryAfterMs).unref();
    }
    onAnswer(section, answer);
    return answer;
  };
  return async (_value, _previous, version, signal) => {
    const answer = await attempt(version, signal);
    return { status: statusOf[answer.state], message: messageOf(answer) };
  };
}

/** A mistake in the settings holds no mapping up, and the other way round. */
function partOf(section: ConfigurationSection, desired: Readonly<Record<string, unknown>>): Record<string, unknown> {
  // Settings that were taken away are as dragoman.yaml says; mappings that are not mentioned stay.
  if (section === 'settings') return { settings: desired.settings ?? null };
  return { mappings: desired.mappings ?? undefined, mappingParts: desired.mappingParts ?? undefined };
}

const statusOf = { applied: 'applied', unchanged: 'applied', waiting: 'waiting', refused: 'refused', stale: 'refused' } as const;

/** The first problem in words; all of them are in the report. */
function messageOf({ message, diagnostics }: DesiredAnswer): string {
  const [first] = diagnostics?.problems ?? [];
  if (!first || diagnostics?.errors === 0) return message;
  const hint = first.hint === undefined ? '' : `; ${first.hint}`;
  return `${message}: ${first.file}:${first.line}:${first.column} ${first.rule}: ${first.message}${hint}`;
}
