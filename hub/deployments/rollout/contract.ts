/** What a person may do to a rollout. `advance` begins the next phase without waiting for the end of this one. */
export const rolloutActions = ['pause', 'resume', 'advance', 'rollback'] as const;
export type RolloutAction = (typeof rolloutActions)[number];

/**
 * `running`: goes on by itself. `paused`: by a person. `stopped`: by its failure limit; those that have it keep it. `rolled-back`: nobody has it, the next best
 * configuration is back. `done`: everybody whom the condition means has it, and whoever comes gets it.
 */
export type RolloutStatus = 'running' | 'paused' | 'stopped' | 'rolled-back' | 'done';

/**
 * `succeeded`: reported it with 200, and its modules run. `pending`: is connected, or was, and has not reported yet. `unreached`: was not
 * connected since it was given.
 */
export type Health = 'succeeded' | 'failed' | 'pending' | 'unreached';

/** As it stands in a configuration's document. */
export interface RolloutDocument {
  readonly status: RolloutStatus;
  /** The first is 1. */
  readonly phase: number;
  readonly phases: readonly string[];
  readonly phaseSinceUtc: string;
  /** Whom the condition means. */
  readonly targeted: number;
  /** Who may have it by now. */
  readonly admitted: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly pending: number;
  readonly unreached: number;
  /** In whose twins its content stands; after a rollback those for whom no other configuration is. */
  readonly holding: number;
  /** Some of those that failed, with what they said. */
  readonly failures: readonly { readonly deviceId: string; readonly reason: string }[];
  /** Why it is not running. */
  readonly reason?: string;
}

/** Of a rollout, on disk. */
export interface RolloutState {
  readonly status: RolloutStatus;
  /** The first is 0. */
  readonly phase: number;
  /** When it began, or went on. */
  readonly sinceMs: number;
  /** Device ids. Who is among them stays, however many come after. */
  readonly admitted: readonly string[];
  /** Failures that a person saw and let pass. */
  readonly forgiven: readonly string[];
  readonly reason?: string;
}
