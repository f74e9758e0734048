/** One rule of the diagnostics, for the docs: what an engineer reads who has never seen this problem. */
export interface RuleEntry {
  /** A few words: `Two points overlap with different types`. */
  readonly title: string;
  /** What the rule checks and why it matters. */
  readonly meaning: string;
  /** How this usually comes about. */
  readonly cause: string;
  /** What to do. */
  readonly cure: string;
  /** A line or two of YAML that shows the mistake and, where it helps, its correction. */
  readonly example?: string;
}

/** Rule id -> entry. The mapping core has one such catalogue, each adapter exports its own as `rules` from its `rules.ts`. */
export type RuleCatalogue = Readonly<Record<string, RuleEntry>>;
