import { z } from 'zod';
import { sameJson } from '../../twin/section.ts';
import { RequestError, type RequestErrorKind } from '../core/request-error.ts';
import { QueryError } from '../query/language.ts';
import { parseQuery } from '../query/parser.ts';
import { checkContent } from './check-content.ts';
import { kindOf } from './content.ts';
import type { Configuration, ConfigurationInput, ContentKind, QueriesTest } from './contract.ts';
import { readRollout } from './rollout/settings.ts';
import { compileTarget } from './target.ts';

const longestId = 128;
const mostMetrics = 5;
const mostPriority = 2_147_483_647;

const texts = z.record(z.string(), z.string());
const Body = z.object({
  id: z.string().optional(),
  schemaVersion: z.string().nullish(),
  labels: texts.nullish(),
  content: z.unknown().optional(),
  targetCondition: z.string().nullish(),
  priority: z.int().min(0).max(mostPriority).nullish(),
  metrics: z.object({ queries: texts.nullish() }).nullish(),
});
const Test = z.object({ targetCondition: z.string().nullish(), customMetricQueries: texts.nullish() });

/** What a client wants of a new configuration. Throws a RequestError with all that is wrong. */
export function readNew(id: string, body: unknown): ConfigurationInput & { readonly kind: ContentKind } {
  const problems = new Problems();
  if (!/^[a-z0-9\-.+%_#*?!(),:=@$']+$/.test(id) || id.length > longestId) {
    problems.add(
      'ArgumentInvalid',
      `id: "${id.slice(0, 140)}" cannot be an id, use 1 to ${longestId} lower-case letters, digits and - . + % _ # * ? ! ( ) , : = @ $ '`,
    );
  }
  const found = readBody(id, body, problems);
  for (const problem of checkContent(found.content)) problems.add('InvalidConfigurationContent', problem);
  const kind = problems.none ? (kindOf(found.content as ConfigurationInput['content']) as ContentKind) : 'edge';
  const input = { ...inputOf(found), content: found.content as ConfigurationInput['content'], kind };
  checkQueries(input, problems);
  problems.refuse(`configuration ${id} is not taken`);
  return input;
}

/** What it is to be instead; what the body does not say stays. Content never changes. */
export function readChange(before: Configuration, body: unknown): ConfigurationInput {
  const problems = new Problems();
  const found = readBody(before.id, body, problems);
  if (found.content !== undefined && found.content !== null && !sameJson(found.content, before.content)) {
    problems.add(
      'CannotModifyImmutableConfigurationContent',
      'content: it cannot be modified, make a new configuration with a higher priority instead',
    );
  }
  const given = inputOf(found);
  const input: ConfigurationInput = {
    schemaVersion: before.schemaVersion,
    content: before.content,
    labels: found.labels ? given.labels : before.labels,
    targetCondition: found.targetCondition == null ? before.targetCondition : given.targetCondition,
    priority: found.priority ?? before.priority,
    metrics: found.metrics ? given.metrics : before.metrics,
  };
  checkQueries({ ...input, kind: before.kind }, problems);
  problems.refuse(`configuration ${before.id} is not changed`);
  return input;
}

/** As the service's `POST /configurations/testQueries`. Throws a RequestError for what is no test. */
export function testQueries(body: unknown): QueriesTest {
  const found = Test.safeParse(body);
  if (!found.success) throw new RequestError('ArgumentInvalid', issues(found.error.issues).join(', '));
  const { targetCondition, customMetricQueries } = found.data;
  const kind = /^\s*FROM\s+devices\.modules/i.test(targetCondition ?? '') ? 'module' : 'edge';
  const errors = Object.entries(customMetricQueries ?? {}).map(([name, query]): [string, string] => [
    name,
    errorOf(() => parseQuery(query)) ?? '',
  ]);
  return {
    targetConditionError: errorOf(() => compileTarget(targetCondition ?? '', kind)) ?? '',
    customMetricQueryErrors: Object.fromEntries(errors),
  };
}

type Found = z.infer<typeof Body>;

function readBody(id: string, body: unknown, problems: Problems): Found {
  const read = Body.safeParse(body);
  if (!read.success) {
    const found = body === undefined ? ['the request has no JSON body'] : issues(read.error.issues);
    for (const text of found) problems.add('ArgumentInvalid', text);
    problems.refuse(`configuration ${id} is not taken`);
  }
  const found = read.data as Found;
  if (found.id !== undefined && found.id !== id) problems.add('ArgumentInvalid', `id: the body says "${found.id}", the address "${id}"`);
  return found;
}

const inputOf = ({ schemaVersion, labels, targetCondition, priority, metrics }: Found): Omit<ConfigurationInput, 'content'> => ({
  schemaVersion: schemaVersion ?? '1.0',
  labels: labels ?? {},
  targetCondition: targetCondition ?? '',
  priority: priority ?? 0,
  metrics: metrics?.queries ?? {},
});

function checkQueries(input: ConfigurationInput & { readonly kind: ContentKind }, problems: Problems): void {
  const { targetCondition, kind, metrics, labels } = input;
  const target = errorOf(() => compileTarget(targetCondition, kind));
  if (target !== undefined) problems.add('InvalidConfigurationTargetCondition', `targetCondition: ${target}`);
  const names = Object.keys(metrics);
  if (names.length > mostMetrics) {
    problems.add('InvalidConfigurationCustomMetricsQuery', `metrics.queries: there are ${names.length}, and at most ${mostMetrics} may be`);
  }
  for (const name of names) {
    const error = errorOf(() => parseQuery(metrics[name] as string));
    if (error !== undefined) problems.add('InvalidConfigurationCustomMetricsQuery', `metrics.queries.${name}: ${error}`);
  }
  const rollout = readRollout(labels);
  for (const problem of rollout.problems) problems.add('ArgumentInvalid', problem);
  if (rollout.settings && (kind === 'device' || kind === 'module')) {
    problems.add('ArgumentInvalid', 'labels.rolloutPhases: only modulesContent has rollouts, of others nobody says how it went');
  }
}

function errorOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof QueryError) return error.message;
    throw error;
  }
}

const issues = (found: readonly { path: PropertyKey[]; message: string }[]): readonly string[] =>
  found.map(({ path, message }) => `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`);

/** Collected, so that a person hears of all at once; the error takes the name of the first. */
class Problems {
  readonly #all: { readonly kind: RequestErrorKind; readonly text: string }[] = [];

  add(kind: RequestErrorKind, text: string): void {
    this.#all.push({ kind, text });
  }

  get none(): boolean {
    return this.#all.length === 0;
  }

  refuse(head: string): void {
    const [first] = this.#all;
    if (!first) return;
    const [only, more] = this.#all.length === 1 ? [first.text, ''] : ['', this.#all.map(({ text }) => `\n  ${text}`).join('')];
    throw new RequestError(first.kind, `${head}: ${only}${more}`);
  }
}
