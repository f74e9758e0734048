import type { z } from 'zod';
import { suggestion } from '../nearest.ts';
import type { Path } from './document.ts';

export interface SchemaFinding {
  readonly path: Path;
  readonly which: 'key' | 'value';
  readonly rule: string;
  readonly message: string;
  readonly hint?: string;
}

/** A custom issue may name its rule, its hint, and that it belongs to the key: `params: { rule, hint, which }`. */
interface Params {
  readonly rule?: string;
  readonly hint?: string;
  readonly which?: 'key' | 'value';
}

/** A group with more unknown keys than this is no mapping, and nobody reads them all. */
const mostKeys = 1_000;

/** What zod found, in an engineer's words. `base` only names the place when the value itself is at fault. */
export function findingsOf(issues: readonly z.core.$ZodIssue[], value: unknown, schema: z.ZodType, base: Path): SchemaFinding[] {
  return issues.flatMap((issue) => findings(issue, value, schema, base));
}

function findings(issue: z.core.$ZodIssue, root: unknown, schema: z.ZodType, base: Path): SchemaFinding[] {
  const { path } = issue;
  const name = keyName([...base, ...path]);
  const input = valueAt(root, path);
  const finding = (rule: string, message: string, hint?: string, which: 'key' | 'value' = 'value'): SchemaFinding[] => [
    { path, which, rule, message, ...(hint && { hint }) },
  ];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, path);
      return issue.keys.slice(0, mostKeys).map((key) => ({
        path: [...path, key],
        which: 'key' as const,
        rule: 'unknown-key',
        message: `${key} is not a key of ${name}`,
        ...hintOf(slipHint(key, valueAt(root, [...path, key])) ?? suggestion(key, known)),
      }));
    }
    case 'invalid_type':
      if (input === undefined) return finding('missing-key', `${name} is missing`, undefined, 'key');
      return finding(
        'wrong-type',
        `${name}: ${expected(issue.expected)} is expected, ${shown(input)} was found`,
        typeHint(name, issue.expected, input),
      );
    case 'invalid_value': {
      const words = issue.values.map(String);
      if (input === undefined) return finding('missing-key', `${name} is missing`, `known: ${words.join(', ')}`, 'key');
      return finding('unknown-value', `${name}: ${quoted(input)} is not ${noun(name)}`, suggestion(String(input), words));
    }
    case 'invalid_union':
      return (
        union(issue, root, schema, base) ??
        finding('wrong-type', prefixed(name, meant(issue.message, schema, path) ?? `${shown(input)} does not fit`))
      );
    case 'too_small':
    case 'too_big': {
      const small = issue.code === 'too_small';
      const bound = small ? issue.minimum : issue.maximum;
      if (issue.origin === 'string' || issue.origin === 'array' || issue.origin === 'set') {
        const unit = issue.origin === 'string' ? 'character' : 'value';
        return finding(
          'wrong-length',
          `${name}: ${small ? 'at least' : 'at most'} ${bound} ${unit}${bound === 1 ? '' : 's'} must stand here`,
        );
      }
      const relation = small ? (issue.inclusive ? 'below' : 'not above') : issue.inclusive ? 'above' : 'not below';
      return finding('out-of-range', `${name}: ${quoted(input)} is ${relation} ${bound}`);
    }
    case 'invalid_key':
      return finding('bad-name', issue.issues[0]?.message ?? `${name} is not a name`, undefined, 'key');
    case 'custom': {
      const { rule = 'bad-value', hint, which }: Params = issue.params ?? {};
      return finding(rule, prefixed(name, issue.message), hint, which);
    }
    default:
      return finding(
        'bad-value',
        prefixed(name, 'pattern' in issue && issue.message.startsWith('Invalid') ? `${quoted(input)} is not ${noun(name)}` : issue.message),
      );
  }
}

/** The branch that came furthest is the one that was meant; undefined when none is better than the others. */
function union(issue: z.core.$ZodIssueInvalidUnion, root: unknown, schema: z.ZodType, base: Path): SchemaFinding[] | undefined {
  const input = valueAt(root, issue.path);
  const reached = issue.errors.filter(
    (branch) => !branch.some(({ code, path }) => path.length === 0 && (code === 'invalid_type' || code === 'invalid_value')),
  );
  const isObject = typeof input === 'object' && input !== null;
  const branch = isObject ? reached.toSorted((a, b) => a.length - b.length)[0] : reached.length === 1 ? reached[0] : undefined;
  return branch?.flatMap((inner) => findings({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, root, schema, base));
}

/** A key without a value, as a comma or a missing space in a group makes it. */
function slipHint(key: string, value: unknown): string | undefined {
  if (value !== null) return undefined;
  if (/^\d+$/.test(key)) return 'numbers take a decimal point: 0.1, not 0,1';
  const glued = /^(\w+):(\S+)$/.exec(key);
  if (glued) return `a space belongs behind the colon: ${glued[1]}: ${glued[2]}`;
  return /^\w+$/.test(key) ? undefined : 'a comma begins a new key; quotes keep a text with commas together';
}

const hintOf = (hint: string | undefined): { hint?: string } => (hint === undefined ? {} : { hint });

/** The word a person would use: the last key, for a list entry the list's. */
function keyName(path: Path): string {
  const words = path.filter((step) => typeof step === 'string');
  const last = words.at(-1);
  if (last === undefined) return 'the file';
  // `enum 1` for a key that is a number: alone it would say nothing.
  return words.length > 1 && /^-?\d+$/.test(last) ? `${words.at(-2)} ${last}` : last;
}

const prefixed = (name: string, message: string): string => (message.startsWith(name) ? message : `${name}: ${message}`);

function meant(message: string, schema: z.ZodType, path: Path): string | undefined {
  if (message !== 'Invalid input') return message;
  for (let inner = schemaAt(schema, path); inner; inner = (inner.def?.innerType ?? inner.def?.in) as Inner | undefined) {
    const expects = inner.meta?.()?.expects;
    if (typeof expects === 'string') return `${expects} is expected`;
  }
  return undefined;
}

const words: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a group of keys',
  record: 'a group of keys',
  array: 'a list',
  tuple: 'a list',
};
const expected = (type: string): string => words[type] ?? type;

/** Adapters write their durations as text with a unit; these are the words by which one knows them. */
const looksLikeDuration = /(timeout|interval|pause|every|after|expires)/i;

function typeHint(name: string, type: string, input: unknown): string | undefined {
  if (type === 'string' && typeof input === 'number' && looksLikeDuration.test(name)) return `write ${input}s or ${input}ms`;
  if (type === 'string' && (typeof input === 'number' || typeof input === 'boolean')) return `put it in quotes: "${input}"`;
  if ((type === 'number' || type === 'int') && typeof input === 'string' && input.trim() !== '' && Number.isFinite(Number(input))) {
    return `write it without quotes: ${Number(input)}`;
  }
  if ((type === 'number' || type === 'int') && typeof input === 'string' && /^-?\d+,\d+$/.test(input)) {
    return `write it with a point and without quotes: ${input.replace(',', '.')}`;
  }
  if (type === 'object' && (typeof input === 'string' || typeof input === 'boolean')) return `write ${name}: { … }, or leave ${name} out`;
  if (type === 'array' && input !== null && typeof input !== 'object') return `write [${String(input)}]`;
  return undefined;
}

/** `a byte order` from `byteOrder`. */
function noun(name: string): string {
  const spaced = name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return `${/^[aeiou]/.test(spaced) ? 'an' : 'a'} ${spaced}`;
}

function quoted(value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'object' ? shown(value) : String(value);
  return `"${value.length > 60 ? `${value.slice(0, 57)}…` : value}"`;
}

function shown(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a group of keys';
  if (typeof value === 'string') return `the text ${quoted(value)}`;
  return typeof value === 'boolean' ? `${value}` : `the number ${value}`;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[step];
  }
  return value;
}

interface Inner {
  readonly def?: { innerType?: z.ZodType; in?: z.ZodType; valueType?: z.ZodType; element?: z.ZodType; options?: readonly z.ZodType[] };
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  meta?(): Record<string, unknown> | undefined;
}

function unwrapped(schema: Inner | undefined): Inner | undefined {
  let inner = schema;
  while (inner?.def && !inner.shape && (inner.def.innerType ?? inner.def.in)) inner = (inner.def.innerType ?? inner.def.in) as Inner;
  return inner;
}

function schemaAt(schema: z.ZodType, path: Path): Inner | undefined {
  let inner: Inner | undefined = schema as Inner;
  for (const step of path) {
    inner = unwrapped(inner);
    const options: readonly z.ZodType[] = inner?.def?.options ?? [];
    const shape =
      inner?.shape ?? options.map((option) => unwrapped(option as Inner)?.shape).find((each) => each && Object.hasOwn(each, step));
    inner = (shape?.[String(step)] ?? inner?.def?.valueType ?? inner?.def?.element) as Inner | undefined;
  }
  return inner;
}

/** The keys that may stand at `path`. */
export function keysAt(schema: z.ZodType, path: Path): string[] {
  const inner = unwrapped(schemaAt(schema, path));
  if (inner?.shape) return Object.keys(inner.shape);
  return (inner?.def?.options ?? []).flatMap((option) => Object.keys(unwrapped(option as Inner)?.shape ?? {}));
}
