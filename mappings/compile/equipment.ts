import { z } from 'zod';
import type { Problem } from '../../model/problem.ts';
import type { CompiledEquipment } from '../equipment.ts';
import { commonKeys, type PointKeys } from '../keys.ts';
import type { AdapterLanguage, Finding } from '../language.ts';
import { nearest, suggestion } from '../nearest.ts';
import { placeholdersOf, withoutPlaceholders } from '../patterns.ts';
import { ProblemList } from '../problems.ts';
import { runSamples, type SampleResult } from '../samples/run.ts';
import { equipmentFile, laterKeys, laterPointKeys, namePattern, pointSchema, type Sample } from '../schema.ts';
import { schemaProblems } from '../yaml/check.ts';
import type { Path, YamlDocument } from '../yaml/document.ts';
import { keysAt } from '../yaml/issues.ts';
import { withConditions } from './conditions.ts';
import { compileMessages } from './messages.ts';
import { compilePoint, hashOf, type PointDraft, unknownPlaceholder } from './point.ts';

export interface CompiledDocument {
  /** Undefined when there are errors. */
  readonly equipment: CompiledEquipment | undefined;
  /** The id as written, where one could be read: two files with one id are found even if one of them has other errors. */
  readonly id: string | undefined;
  readonly problems: readonly Problem[];
  readonly samples: readonly SampleResult[];
}

type Group = Readonly<Record<string, unknown>>;
const isGroup = (value: unknown): value is Group => typeof value === 'object' && value !== null && !Array.isArray(value);
const ownKeys = new WeakMap<AdapterLanguage, readonly string[]>();

/** One document of a mapping file. Goes on after a mistake as far as it makes sense, so that all of them come at once. */
export function compileEquipment(file: string, document: YamlDocument, languages: readonly AdapterLanguage[]): CompiledDocument {
  const problems = new ProblemList(file, document);
  const root = withoutLater(document.value, laterKeys, [], problems);
  if (!isGroup(root)) {
    problems.add([], 'value', { rule: 'wrong-type', message: 'a mapping is a group of keys', hint: 'begin with equipment: and an id' });
    return { equipment: undefined, id: undefined, problems: problems.all, samples: [] };
  }
  // A machine type lacks these by right.
  const isType = 'type' in (document.value as Group) || 'instances' in (document.value as Group);
  const parsed = equipmentFile.safeParse(root);
  const issues =
    parsed.error?.issues.filter(({ path }) => !isType || !['equipment', 'connection', 'points'].includes(String(path[0]))) ?? [];
  problems.take(schemaProblems(file, document, root, issues, equipmentFile, []));
  const id = typeof root.equipment === 'string' ? root.equipment : undefined;
  const language = languageOf(root.connection, languages, problems);
  if (!language) return { equipment: undefined, id, problems: problems.all, samples: [] };

  const settings = settingsOf(root.connection as Group, language, file, document, problems);
  const reader = new PointReader(file, document, language, isGroup(root.defaults) ? root.defaults : {}, problems);
  const drafts = withConditions(isGroup(root.points) ? reader.points(root.points, settings) : [], (...where) => reader.report(...where));
  const placed = drafts.map(({ point }) => point);
  if (settings !== undefined) {
    language.checkEquipment?.(placed, settings, (name, key, finding) => reader.report(name, key, finding));
  }
  const messages = parsed.success ? compileMessages(parsed.data.telemetry ?? {}, placed, problems) : [];
  if (parsed.success) checkCaptures(parsed.data.equipment, parsed.data.path ?? '', drafts, problems);
  if (!parsed.success || problems.refused) return { equipment: undefined, id, problems: problems.all, samples: [] };
  const samples = runSamples(
    file,
    document,
    parsed.data.equipment,
    (parsed.data.samples ?? []) as readonly Sample[],
    drafts,
    language,
    settings,
    problems,
  );
  if (problems.refused) return { equipment: undefined, id, problems: problems.all, samples };
  const { equipment, path = '', description } = parsed.data;
  const captures = placeholdersOf(`${equipment}/${path}`);
  const connectionHash = hashOf([language.name, settings]);
  const compiled: CompiledEquipment = {
    id: equipment,
    path,
    ...(description !== undefined && { description }),
    file,
    adapter: language.name,
    settings,
    points: placed,
    messages,
    ...(captures.length > 0 && { captures }),
    hash: hashOf([equipment, path, description, connectionHash, parsed.data.telemetry, placed.map(({ hash }) => hash)]),
    connectionHash,
  };
  return { equipment: compiled, id, problems: problems.all, samples };
}

/** Every point must tell which machine it is of, and what it captures should tell something. */
function checkCaptures(equipment: string, path: string, drafts: readonly PointDraft[], problems: ProblemList): void {
  const ofMachine = placeholdersOf(`${equipment}/${path}`);
  for (const { point, captures } of drafts) {
    const inName = placeholdersOf(point.name);
    // A name that nothing fills is told already, and is most likely the same slip.
    if (inName.some((placeholder) => !captures.includes(placeholder))) continue;
    const used = [...ofMachine, ...inName];
    for (const placeholder of captures) {
      if (!used.includes(placeholder)) problems.add(['points', point.name], 'value', unused(point.name, placeholder));
    }
  }
  for (const [key, text] of Object.entries({ equipment, path })) {
    for (const placeholder of placeholdersOf(text)) {
      const without = drafts.find(({ captures }) => !captures.includes(placeholder));
      if (without) problems.add([key], 'value', unknownPlaceholder(`${key}: of ${without.point.name},`, placeholder, without.captures));
      const both = drafts.find(({ point }) => placeholdersOf(point.name).includes(placeholder));
      if (both) problems.add(['points', both.point.name], 'key', inBoth(both.point.name, placeholder, key));
    }
  }
}

function unused(point: string, placeholder: string): Finding {
  return {
    rule: 'unused-placeholder',
    severity: 'warn',
    message: `${point}: {${placeholder}} names neither machine nor point; values of all that it stands for become this one point`,
    hint: `put {${placeholder}} into equipment, path or the name of the point, or write + in the topic if that is meant`,
  };
}

function inBoth(point: string, placeholder: string, key: string) {
  return {
    rule: 'placeholder-in-both',
    message: `${point}: {${placeholder}} tells machines apart already, in ${key}; a point cannot be named by it too`,
    hint: `leave {${placeholder}} out of the name of the point`,
  };
}

/** The group without the words of later versions, each of which is answered. */
function withoutLater(value: unknown, later: Readonly<Record<string, string>>, path: Path, problems: ProblemList): unknown {
  if (!isGroup(value)) return value;
  const found = Object.keys(value).filter((key) => Object.hasOwn(later, key));
  if (found.length === 0) return value;
  for (const key of found) {
    const message = `${key}: this version does not know ${later[key]} yet`;
    problems.add([...path, key], 'key', { rule: 'not-in-this-version', message, hint: `remove ${key}, or use a later version` });
  }
  return Object.fromEntries(Object.entries(value).filter(([key]) => !Object.hasOwn(later, key)));
}

function languageOf(connection: unknown, languages: readonly AdapterLanguage[], problems: ProblemList): AdapterLanguage | undefined {
  const name = isGroup(connection) ? connection.adapter : undefined;
  if (typeof name !== 'string') return undefined;
  const language = languages.find((each) => each.name === name);
  if (language) return language;
  const path = ['connection', 'adapter'];
  const hint = suggestion(
    name,
    languages.map((each) => each.name),
  );
  problems.add(path, 'value', { rule: 'unknown-value', message: `adapter: "${name}" is not an adapter`, ...(hint && { hint }) });
  return undefined;
}

/** The parsed connection block. With mistakes in it, what it is without them, so that the points can still be judged. */
function settingsOf(connection: Group, language: AdapterLanguage, file: string, document: YamlDocument, problems: ProblemList): unknown {
  const { adapter: _, ...block } = connection;
  const parsed = language.connection.safeParse(block);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues;
  problems.take(schemaProblems(file, document, block, issues, language.connection, ['connection']));
  const wrong = new Set(
    issues
      .flatMap((issue) => (issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : issue.path.slice(0, 1)))
      .map(String),
  );
  const rest = Object.fromEntries(Object.entries(block).filter(([key]) => !wrong.has(key)));
  // A misspelt `host` is a host all the same, as far as the points are concerned.
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys' || issue.path.length > 0) continue;
    for (const key of issue.keys) {
      const meant = nearest(key, keysAt(language.connection, []));
      if (meant !== undefined && !(meant in rest)) rest[meant] = block[key];
    }
  }
  return language.connection.safeParse(rest).data;
}

/** Reads the points of one machine: defaults applied, each key checked, each problem at the key that is at fault. */
class PointReader {
  readonly #file: string;
  readonly #document: YamlDocument;
  readonly #language: AdapterLanguage;
  readonly #problems: ProblemList;
  readonly #schema: z.ZodObject;
  readonly #own: readonly string[];
  readonly #writtenDefaults: Group;
  readonly #defaults: Group;
  #points: Group = {};

  constructor(file: string, document: YamlDocument, language: AdapterLanguage, defaults: Group, problems: ProblemList) {
    this.#file = file;
    this.#document = document;
    this.#language = language;
    this.#problems = problems;
    this.#schema = pointSchema(language);
    this.#own = ownKeys.get(language) ?? Object.keys(language.point.shape);
    ownKeys.set(language, this.#own);
    this.#writtenDefaults = defaults;
    this.#defaults = this.#parse(defaults, ['defaults']);
    if (defaults.write !== undefined) {
      const message = 'write in defaults makes every point of this machine writable';
      problems.add(['defaults', 'write'], 'key', {
        rule: 'write-default',
        severity: 'warn',
        message,
        hint: 'write it at the points that may be written',
      });
    }
  }

  points(written: Group, settings: unknown): PointDraft[] {
    this.#points = written;
    const entries = Object.entries(written);
    if (entries.length === 0) {
      this.#problems.add(['points'], 'key', {
        rule: 'no-points',
        message: 'points: no point is given',
        hint: 'write at least one: temperature: { at: … }',
      });
    }
    return entries.flatMap(([name, point]) => this.#point(name, point, settings) ?? []);
  }

  #point(name: string, written: unknown, settings: unknown): PointDraft | undefined {
    const path = ['points', name];
    if (!namePattern.test(withoutPlaceholders(name))) {
      const hint = 'a letter, then letters, digits and _, at most 64 characters';
      this.#problems.add(path, 'key', { rule: 'bad-name', message: `"${name}" is not a point name`, hint });
    }
    if (!isGroup(written)) {
      const hint =
        written === null
          ? `write ${name}: { at: … }, or remove it`
          : `write ${name}: { at: ${Array.isArray(written) ? '…' : String(written)} }`;
      this.#problems.add(path, 'value', { rule: 'wrong-type', message: `${name}: a group of keys is expected`, hint });
      return undefined;
    }
    // `null` takes a default away.
    const dropped = Object.keys(written).filter((key) => written[key] === null && key in this.#writtenDefaults);
    const kept = dropped.length === 0 ? written : Object.fromEntries(Object.entries(written).filter(([key]) => !dropped.includes(key)));
    const parsed = this.#parse(kept, path);
    const keys: Record<string, unknown> = { ...this.#defaults, ...parsed };
    for (const key of dropped) delete keys[key];
    if (settings === undefined) return undefined;
    const own: Record<string, unknown> = {};
    for (const key of this.#own) if (keys[key] !== undefined) own[key] = keys[key];
    const context = {
      name,
      keys: keys as PointKeys,
      written: (key: string) => Object.hasOwn(written, key),
      report: (key: PropertyKey | readonly PropertyKey[], finding: Parameters<ProblemList['add']>[2]) => this.report(name, key, finding),
    };
    return compilePoint(context, own, this.#language, settings);
  }

  /** The group as the schema gives it; of a group with mistakes, the keys that are right. */
  #parse(written: Group, path: Path): Group {
    const result = z.safeParse(this.#schema, written);
    if (result.success) return result.data as Group;
    const clean = withoutLater(written, laterPointKeys, path, this.#problems);
    const issues = result.error.issues.flatMap((issue) => {
      if (issue.code !== 'unrecognized_keys' || issue.path.length > 0) return [issue];
      const keys = issue.keys.filter((key) => !Object.hasOwn(laterPointKeys, key));
      return keys.length === 0 ? [] : [{ ...issue, keys }];
    });
    this.#problems.take(schemaProblems(this.#file, this.#document, written, issues, this.#schema, path));
    const wrong = new Set(
      issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : issue.path.slice(0, 1))).map(String),
    );
    const rest = Object.fromEntries(Object.entries(clean as Group).filter(([key]) => !wrong.has(key)));
    return (z.safeParse(this.#schema, rest).data ?? {}) as Group;
  }

  /** At the key of the point; at the default's where the point has it from there; at the point's name where neither has it. */
  report(name: string, key: PropertyKey | readonly PropertyKey[], finding: Parameters<ProblemList['add']>[2]): void {
    const path = typeof key === 'object' ? key : [key];
    const [first] = path as readonly [PropertyKey];
    const point = Object.hasOwn(this.#points, name) ? this.#points[name] : undefined;
    if (isGroup(point) && Object.hasOwn(point, first)) this.#problems.add(['points', name, ...path], 'value', finding);
    else if (Object.hasOwn(this.#writtenDefaults, first)) this.#problems.add(['defaults', ...path], 'value', finding);
    else this.#problems.add(['points', name], 'key', finding);
  }
}

/** Every key that some point of this adapter may have, for messages and docs. */
export function knownPointKeys(language: AdapterLanguage): readonly string[] {
  return [...commonKeys, ...Object.keys(language.point.shape)];
}
