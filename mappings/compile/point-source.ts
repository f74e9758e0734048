import type { PointKey, PointKeys } from '../keys.ts';
import type { Finding } from '../language.ts';

/** The keys of one point while it is compiled: what counts, and what was said at the point itself. */
export interface PointContext {
  readonly name: string;
  /** Defaults applied. */
  readonly keys: PointKeys;
  /** True where the point itself has the key: a default that does not apply is left out in silence, a written key is a mistake. */
  written(key: PointKey): boolean;
  /** Also within a key: `['range', 1]`. */
  report(key: PointKey | readonly [PointKey, ...PropertyKey[]], finding: Finding): void;
}
