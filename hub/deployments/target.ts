import { compileCondition, type Predicate } from '../query/condition.ts';
import { type Expression, QueryError } from '../query/language.ts';
import { parseCondition } from '../query/parser.ts';
import type { ContentKind } from './contract.ts';

/** A target condition, compiled. */
export interface Target {
  readonly of: 'devices' | 'modules';
  readonly matches: Predicate;
  /** Whether what a device reports can change the answer. */
  readonly asksReported: boolean;
  /** The same as the condition of a query; undefined where nobody is meant. */
  readonly where: string | undefined;
}

const roots = ['deviceId', 'tags', 'properties.reported'];
const ofModules = /^\s*FROM\s+devices\.modules\s+WHERE\s+/i;

/**
 * `tags.site = 'leeds'`; `*` is everybody, empty nobody; for modules `FROM devices.modules WHERE moduleId = 'filter'`. Throws QueryError, with
 * the place in the whole text.
 */
export function compileTarget(text: string, kind: ContentKind): Target {
  const trimmed = text.trim();
  const of = kind === 'module' ? 'modules' : 'devices';
  if (trimmed === '') return { of, matches: () => false, asksReported: false, where: undefined };
  if (trimmed === '*') return { of, matches: () => true, asksReported: false, where: '' };
  const prefix = ofModules.exec(text)?.[0] ?? '';
  if (prefix !== '' && kind !== 'module') {
    throw new QueryError('FROM devices.modules is for moduleContent; this content goes to devices: leave it out', 1);
  }
  if (prefix === '' && kind === 'module') {
    throw new QueryError("moduleContent is for modules: FROM devices.modules WHERE moduleId = 'filter'", 1);
  }
  // Blanks keep the places of what is wrong.
  const where = text.slice(prefix.length);
  const expression = parseCondition(' '.repeat(prefix.length) + where, kind === 'module' ? [...roots, 'moduleId'] : roots);
  return { of, matches: compileCondition(expression), asksReported: asksReported(expression), where: where.trim() };
}

function asksReported(expression: Expression): boolean {
  if (expression.kind === 'path' || expression.kind === 'defined') return expression.path[0] === 'properties';
  return Object.values(expression).some((part) => typeof part === 'object' && part !== null && 'kind' in part && asksReported(part));
}
