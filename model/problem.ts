/** One thing wrong in a file that a person wrote. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: 'error' | 'warn';
  /** Stable id, an entry of docs/errors.md: `unknown-value`, `overlap`, … */
  readonly rule: string;
  /** What was found: `byteOrder: "CBAD" is not a byte order`. */
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
}
