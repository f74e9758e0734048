import { parseYaml } from '../../mappings/yaml/document.ts';
import type { Problem } from '../../model/problem.ts';
import type { Manifest, ManifestProblem } from '../contract.ts';
import { type ManifestOptions, readManifest } from './read-manifest.ts';

export interface ReadText {
  readonly manifest?: Manifest;
  /** With file, line and column, in the order of the text. */
  readonly problems: readonly Problem[];
}

/** Reads a deployment manifest from its JSON text; `file` is what problems call it. */
export function readManifestText(file: string, text: string, options: ManifestOptions = {}): ReadText {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problems: [syntaxProblem(file, text, error as Error)] };
  }
  const { manifest, problems } = readManifest(value, options);
  if (problems.length === 0) return { ...(manifest && { manifest }), problems: [] };
  const at = placesIn(file, text);
  return {
    ...(manifest && { manifest }),
    problems: problems.map((problem) => placed(file, problem, at)).sort((a, b) => a.line - b.line || a.column - b.column),
  };
}

/** JSON is YAML, and the reader of YAML knows where everything stands. */
function placesIn(file: string, text: string): (problem: ManifestProblem) => { readonly line: number; readonly column: number } {
  const [document] = parseYaml(file, text).documents;
  return ({ keys, which, inside }) => document?.at(keys, which, inside) ?? { line: 1, column: 1 };
}

function placed(file: string, problem: ManifestProblem, at: ReturnType<typeof placesIn>): Problem {
  const { severity, rule, message, hint, path } = problem;
  // Of a place so deep the last steps say most.
  const where = path.length > 90 ? `…${path.slice(-88)}` : path;
  return { file, ...at(problem), severity, rule, message: `${message} (${where})`, ...(hint !== undefined && { hint }) };
}

function syntaxProblem(file: string, text: string, error: Error): Problem {
  const position = Number(/at position (\d+)/.exec(error.message)?.[1] ?? text.length);
  const before = text.slice(0, position);
  const line = before.split('\n').length;
  const column = position - before.lastIndexOf('\n');
  const message = `this is not JSON: ${error.message.replace(/ in JSON at position.*| \(line.*/, '')}`;
  return {
    file,
    line,
    column,
    severity: 'error',
    rule: 'json-syntax',
    message,
    hint: 'look here and just before: a comma, a quote or a bracket is wrong',
  };
}
