import type { Problem } from '../model/problem.ts';
import { compileEquipment } from './compile/equipment.ts';
import type { CompiledEquipment } from './equipment.ts';
import type { AdapterLanguage } from './language.ts';
import { sorted } from './problems.ts';
import type { SampleResult } from './samples/run.ts';
import { textKeys } from './schema.ts';
import { type Place, parseYaml } from './yaml/document.ts';
import { listYamlFiles, readYamlFile } from './yaml/file.ts';

export type { SampleResult } from './samples/run.ts';

export interface CompiledMapping {
  /** Empty when the file has errors. A file may hold several YAML documents, one piece of equipment each. */
  readonly equipment: readonly CompiledEquipment[];
  readonly problems: readonly Problem[];
  readonly samples: readonly SampleResult[];
}

export interface LoadResult extends CompiledMapping {
  /** Files that were read, sorted, also those with errors. */
  readonly files: readonly string[];
}

interface NamedEquipment {
  readonly id: string;
  readonly file: string;
  /** Asked for only when two have one id. */
  readonly place: () => Place;
}

interface Compiled extends CompiledMapping {
  readonly ids: readonly NamedEquipment[];
}

const yamlOptions = { textKeys, duplicateRules: { points: 'duplicate-point', defaults: 'duplicate-key' } };

/** Compiles the text of one mapping file. Throws nothing: whatever is wrong is a problem with a place. */
export function compileMapping(file: string, text: string, languages: readonly AdapterLanguage[]): CompiledMapping {
  const compiled = compileText(file, text, languages);
  return withoutRefused([compiled], [...compiled.problems, ...duplicates(compiled.ids)]);
}

/** Nobody reads more; and a file that is no mapping at all must not fill the memory with what is wrong with it. */
const mostProblems = 1_000;

function compileText(file: string, text: string, languages: readonly AdapterLanguage[]): Compiled {
  const compiled = compileDocuments(file, text, languages);
  const { problems } = compiled;
  if (problems.length <= mostProblems) return compiled;
  const [last] = sorted(problems).slice(mostProblems - 1);
  const message = `${problems.length - mostProblems} more problems of this file are not shown`;
  const rest: Problem = {
    ...(last as Problem),
    severity: 'error',
    rule: 'too-many-problems',
    message,
    hint: 'correct the first ones; the rest often follow from them',
  };
  return { ...compiled, problems: [...sorted(problems).slice(0, mostProblems), rest] };
}

function compileDocuments(file: string, text: string, languages: readonly AdapterLanguage[]): Compiled {
  const { documents, problems } = parseYaml(file, text, yamlOptions);
  // What an alias stands for is unknown then, and all that follows would be guesses.
  if (problems.some(({ rule }) => rule === 'yaml-alias')) return { equipment: [], problems, samples: [], ids: [] };
  const filled = documents.filter(({ value }) => value !== null);
  if (filled.length === 0 && problems.length === 0) {
    const empty: Problem = {
      file,
      line: 1,
      column: 1,
      severity: 'error',
      rule: 'empty-file',
      message: 'the file is empty',
      hint: 'begin with equipment: and an id',
    };
    return { equipment: [], problems: [empty], samples: [], ids: [] };
  }
  const compiled = filled.map((document) => ({
    ...compileEquipment(file, document, languages),
    place: () => document.at(['equipment'], 'value'),
  }));
  return {
    equipment: compiled.flatMap(({ equipment }) => equipment ?? []),
    problems: [...problems, ...compiled.flatMap((each) => each.problems)],
    samples: compiled.flatMap(({ samples }) => samples),
    ids: compiled.flatMap(({ id, place }) => (id === undefined ? [] : [{ id, file, place }])),
  };
}

/** Loads all mappings that `paths` name, files or folders. The order of files never matters. Rejects never; whatever is wrong is a problem. */
export async function loadMappings(paths: readonly string[], languages: readonly AdapterLanguage[]): Promise<LoadResult> {
  const { texts, problems } = await readMappings(paths);
  return compileMappings(texts, languages, problems);
}

/** The texts of all mapping files that `paths` name, by file, in order; for one that cannot be read, the problem it has. */
export async function readMappings(
  paths: readonly string[],
): Promise<{ readonly texts: ReadonlyMap<string, string | Problem>; readonly problems: readonly Problem[] }> {
  const { files, problems } = await listYamlFiles(paths);
  const texts = new Map<string, string | Problem>();
  for (const file of files) texts.set(file, await readYamlFile(file));
  return { texts, problems };
}

/** Compiles files whose texts are at hand, as one set: what `loadMappings` does once it has read them. */
export function compileMappings(
  texts: ReadonlyMap<string, string | Problem>,
  languages: readonly AdapterLanguage[],
  listed: readonly Problem[] = [],
): LoadResult {
  const compiled = Array.from(texts, ([file, text]): Compiled => {
    if (typeof text === 'string') return compileText(file, text, languages);
    return { equipment: [], problems: [text], samples: [], ids: [] };
  });
  const problems = [...listed, ...compiled.flatMap((each) => each.problems), ...duplicates(compiled.flatMap(({ ids }) => ids))];
  return { ...withoutRefused(compiled, problems), files: [...texts.keys()] };
}

function withoutRefused(compiled: readonly Compiled[], problems: readonly Problem[]): CompiledMapping {
  const refused = new Set(problems.filter(({ severity }) => severity === 'error').map(({ file }) => file));
  return {
    equipment: compiled.flatMap(({ equipment }) => equipment).filter(({ file }) => !refused.has(file)),
    problems: sorted(problems),
    samples: compiled.flatMap(({ samples }) => samples),
  };
}

/** Equipment that has one id is refused everywhere: which of them is meant, only a person knows, and the order of files must not decide. */
function duplicates(ids: readonly NamedEquipment[]): Problem[] {
  const byId = Map.groupBy(ids, ({ id }) => id);
  return [...byId].flatMap(([id, same]) =>
    same.length < 2
      ? []
      : same.map((one): Problem => {
          const other = same.find((each) => each !== one) as NamedEquipment;
          const { line, column } = other.place();
          const message = `equipment: ${id} is also in ${other.file}:${line}:${column}`;
          return {
            file: one.file,
            ...one.place(),
            severity: 'error',
            rule: 'duplicate-equipment',
            message,
            hint: 'give each machine an id of its own',
          };
        }),
  );
}
