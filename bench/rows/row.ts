import type { RowResult } from '../harness/report.ts';

export interface RunOptions {
  /** Small and short: shows that everything works, its figures mean little. */
  readonly quick: boolean;
  readonly repeats: number;
  /** Says on stderr what goes on. */
  readonly progress: (text: string) => void;
  /** A compiled build of the gateway, made when first asked for. */
  readonly compiled: () => string;
}

/** One row of the performance table. */
export interface Row {
  readonly name: string;
  readonly title: string;
  run(options: RunOptions): Promise<RowResult>;
}

/** Windows of a measurement. */
export const windowOf = (options: RunOptions): { readonly warmMs: number; readonly windowMs: number } =>
  options.quick ? { warmMs: 1000, windowMs: 3000 } : { warmMs: 5000, windowMs: 12_000 };
