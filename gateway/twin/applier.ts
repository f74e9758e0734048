/**
 * What became of one section of the desired properties. `refused`: it will not be taken, and the message says why;
 * `failed`: it could not be done (now); `waiting`: something is still missing that a later version may bring, and nothing is wrong.
 * In all three what ran before runs on.
 */
export interface Outcome {
  readonly status: 'applied' | 'refused' | 'failed' | 'waiting';
  readonly message?: string;
}

/**
 * Puts one section of the desired properties into effect. `value` is undefined when the section was removed; `previous` is the value that was
 * applied last, over restarts; `version` is the `$version` that is being answered. `signal` aborts when the gateway stops.
 * May be given the same version again after a crash. Throwing is an answer too: `failed`, with the error's message and hint.
 */
export type Applier = (value: unknown, previous: unknown, version: number, signal: AbortSignal) => Promise<Outcome>;

export interface ApplierOptions {
  /** Give the last known value once in each life of the process, also when it was answered before: for what lives in memory only. */
  readonly atEachStart?: boolean;
  /**
   * Sections of one lane are applied one after another, in the order of their versions. A lane of its own is for what takes long or
   * must not wait. Default: the lane that all share.
   */
  readonly lane?: string;
}

/** As it stands in reported, under `desired.<section>`. */
export interface Answer {
  readonly version: number;
  readonly status: Outcome['status'];
  readonly message: string;
}

/** What the agent remembers of a section. */
export interface Answered extends Answer {
  /** The value that the answer is about; absent: the section was removed. */
  readonly value?: unknown;
  /** The value that was applied last, which runs on when a newer one was refused. */
  readonly applied?: unknown;
}
