import {
  type Aggregate,
  type Arithmetic,
  aggregates,
  type Collection,
  type Column,
  type Comparison,
  collections,
  comparisons,
  type Expression,
  type Literal,
  type Path,
  type Query,
  QueryError,
  type TextTest,
  textTests,
} from './language.ts';
import { type Token, tokensOf } from './tokens.ts';

/** Root names may be written in any case; the documents have this one. */
const roots = [
  ...['deviceId', 'moduleId', 'jobId', 'etag', 'deviceEtag', 'version', 'status', 'statusReason', 'statusUpdateTime'],
  ...['connectionState', 'connectionStateUpdatedTime', 'lastActivityTime', 'cloudToDeviceMessageCount', 'authenticationType'],
  ...['x509Thumbprint', 'modelId', 'deviceScope', 'parentScopes', 'tags', 'properties', 'capabilities', 'configurations'],
  ...['jobType', 'jobStatus', 'startDateTimeUtc', 'endDateTimeUtc', 'createdDateTimeUtc', 'lastUpdatedDateTimeUtc', 'managedBy'],
] as const;
const rootsByLower = new Map<string, string>(roots.map((root) => [root.toLowerCase(), root]));
const sections = new Set(['desired', 'reported']);
const reserved = new Set(['select', 'top', 'from', 'where', 'group', 'by', 'as', 'and', 'or', 'not', 'in', 'nin', 'true', 'false', 'null']);

/** So deep may parentheses, NOT and signs be nested; far more than a person writes, far less than the stack. */
const deepest = 100;

/** Reads a whole query. Throws QueryError, with the place. */
export function parseQuery(text: string): Query {
  return new Parser(text).query();
}

/**
 * Reads a condition alone: what stands after WHERE, or a target condition of a deployment. `allowed` are the roots it may ask of;
 * default all. Throws QueryError.
 */
export function parseCondition(text: string, allowed?: readonly string[]): Expression {
  return new Parser(text, allowed).condition();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #allowed: readonly string[] | undefined;
  #at = 0;
  #depth = 0;

  constructor(text: string, allowed?: readonly string[]) {
    this.#tokens = tokensOf(text);
    this.#allowed = allowed;
  }

  query(): Query {
    this.#expectWord('SELECT');
    const top = this.#word('TOP') ? this.#count() : undefined;
    const columnsAt = this.#peek().position;
    const columns = this.#sign('*') ? ('*' as const) : this.#list(() => this.#column());
    this.#expectWord('FROM');
    const from = this.#collection();
    const where = this.#word('WHERE') ? this.#or() : undefined;
    let groupBy: readonly Path[] = [];
    if (this.#word('GROUP')) {
      this.#expectWord('BY');
      groupBy = this.#list(() => this.#path());
    }
    this.#end('WHERE, GROUP BY or the end of the query');
    checkColumns(columns, groupBy, columnsAt);
    return { columns, top, from, where, groupBy };
  }

  condition(): Expression {
    const found = this.#or();
    this.#end('AND, OR or the end of the condition');
    return found;
  }

  #column(): Column {
    const token = this.#peek();
    const aggregate = aggregates.find((name) => name === token.text.toUpperCase());
    if (token.kind === 'word' && aggregate && this.#tokens[this.#at + 1]?.text === '(') return this.#aggregate(aggregate);
    const path = this.#path();
    return { kind: 'path', path, name: this.#alias() ?? (path.at(-1) as string) };
  }

  #aggregate(aggregate: Aggregate): Column {
    this.#at++;
    this.#expectSign('(');
    const path = aggregate === 'COUNT' ? undefined : this.#path();
    if (aggregate === 'COUNT') this.#sign('*');
    this.#expectSign(')');
    return { kind: 'aggregate', aggregate, path, name: this.#alias() ?? aggregate.toLowerCase() };
  }

  #alias(): string | undefined {
    if (!this.#word('AS')) return undefined;
    const token = this.#next();
    if (token.kind === 'word' || token.kind === 'name') return token.text;
    throw unexpected(token, 'a name after AS');
  }

  #collection(): Collection {
    const { position } = this.#peek();
    const words = [this.#name('devices, devices.modules or devices.jobs')];
    while (this.#sign('.')) words.push(this.#name('modules or jobs'));
    const name = words.join('.');
    const found = collections.find((collection) => collection === name.toLowerCase());
    if (!found) throw new QueryError(`there is no collection ${name}; ask of ${collections.join(', ')}`, position);
    return found;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#word('OR')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#word('AND')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (!this.#word('NOT')) return this.#comparison();
    return { kind: 'not', operand: this.#nested(() => this.#not()) };
  }

  #comparison(): Expression {
    const left = this.#sum();
    const token = this.#peek();
    if (token.kind === 'sign') {
      const operator = token.text === '<>' ? '!=' : token.text;
      if (!(comparisons as readonly string[]).includes(operator)) return left;
      this.#at++;
      return { kind: 'compare', operator: operator as Comparison, left, right: this.#sum() };
    }
    const negated = this.#word('NIN') || (this.#followsNotIn() && this.#word('NOT'));
    if (this.#word('IN') || negated) return { kind: 'in', negated, operand: left, values: this.#values() };
    return left;
  }

  #followsNotIn(): boolean {
    return this.#peek().text.toUpperCase() === 'NOT' && this.#tokens[this.#at + 1]?.text.toUpperCase() === 'IN';
  }

  #values(): readonly Literal[] {
    // NOT IN has its IN still to come.
    this.#word('IN');
    this.#expectSign('[');
    const values = this.#list(() => this.#literal());
    this.#expectSign(']');
    return values;
  }

  #sum(): Expression {
    let left = this.#product();
    for (let operator = this.#anySign('+', '-'); operator; operator = this.#anySign('+', '-')) {
      left = { kind: 'arithmetic', operator: operator as Arithmetic, left, right: this.#product() };
    }
    return left;
  }

  #product(): Expression {
    let left = this.#signed();
    for (let operator = this.#anySign('*', '/', '%'); operator; operator = this.#anySign('*', '/', '%')) {
      left = { kind: 'arithmetic', operator: operator as Arithmetic, left, right: this.#signed() };
    }
    return left;
  }

  #signed(): Expression {
    if (!this.#sign('-')) return this.#operand();
    const operand = this.#nested(() => this.#signed());
    if (operand.kind === 'literal' && typeof operand.value === 'number') return { kind: 'literal', value: -operand.value };
    return { kind: 'negative', operand };
  }

  #operand(): Expression {
    const token = this.#peek();
    if (this.#sign('(')) {
      const inner = this.#nested(() => this.#or());
      this.#expectSign(')');
      return inner;
    }
    if (token.kind === 'text' || token.kind === 'number' || isConstant(token)) return { kind: 'literal', value: this.#literal() };
    if (token.kind === 'word' && this.#tokens[this.#at + 1]?.text === '(') return this.#call();
    return { kind: 'path', path: this.#path() };
  }

  #call(): Expression {
    const token = this.#next();
    const name = token.text.toUpperCase();
    const test = textTests.find((known) => known === name);
    if (name !== 'IS_DEFINED' && !test) {
      throw new QueryError(`there is no function ${token.text}; known are IS_DEFINED, ${textTests.join(', ')}`, token.position);
    }
    this.#expectSign('(');
    if (!test) {
      const path = this.#path();
      this.#expectSign(')');
      return { kind: 'defined', path };
    }
    return this.#textTest(test);
  }

  #textTest(test: TextTest): Expression {
    const operand = this.#nested(() => this.#sum());
    this.#expectSign(',');
    const part = this.#nested(() => this.#sum());
    this.#expectSign(')');
    return { kind: 'text', test, operand, part };
  }

  #path(): Path {
    const token = this.#peek();
    if (token.kind !== 'word' || reserved.has(token.text.toLowerCase())) throw unexpected(token, 'a property such as tags.site');
    this.#at++;
    const root = rootsByLower.get(token.text.toLowerCase());
    if (root === undefined) {
      throw new QueryError(
        `there is no property ${token.text}; properties begin with deviceId, tags, properties.desired, properties.reported, status, connectionState …`,
        token.position,
      );
    }
    const path = [root];
    while (this.#sign('.')) path.push(this.#segment());
    const section = path[1]?.toLowerCase();
    if (root === 'properties' && section !== undefined && sections.has(section)) path[1] = section;
    if (this.#allowed && !this.#allowed.some((start) => path.join('.') === start || path.join('.').startsWith(`${start}.`))) {
      throw new QueryError(`${path.join('.')} cannot be asked of here, only ${this.#allowed.join(', ')}`, token.position);
    }
    return path;
  }

  #segment(): string {
    const token = this.#next();
    if (token.kind === 'word' || token.kind === 'name' || (token.kind === 'number' && /^\d+$/.test(token.text))) return token.text;
    throw unexpected(token, 'a name, or [[a name]] when it has other characters than letters, digits and _');
  }

  #literal(): Literal {
    const negative = this.#sign('-');
    const token = this.#next();
    if (token.kind === 'number') return negative ? -Number(token.text) : Number(token.text);
    if (!negative && token.kind === 'text') return token.text;
    if (!negative && isConstant(token)) return token.text.toLowerCase() === 'null' ? null : token.text.toLowerCase() === 'true';
    throw unexpected(token, "a value: 'text', a number, true, false or null");
  }

  #count(): number {
    const token = this.#next();
    const count = Number(token.text);
    if (token.kind !== 'number' || !Number.isSafeInteger(count) || count < 1) throw unexpected(token, 'a whole number from 1 on after TOP');
    return count;
  }

  #list<T>(read: () => T): readonly T[] {
    const found = [read()];
    while (this.#sign(',')) found.push(read());
    return found;
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > deepest) throw new QueryError(`this is nested deeper than ${deepest} levels`, this.#peek().position);
    const found = read();
    this.#depth--;
    return found;
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  /** The last one, of kind `end`, is never passed. */
  #next(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  #name(wanted: string): string {
    const token = this.#next();
    if (token.kind !== 'word') throw unexpected(token, wanted);
    return token.text;
  }

  #word(word: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'word' || token.text.toUpperCase() !== word) return false;
    this.#at++;
    return true;
  }

  #sign(...signs: readonly string[]): boolean {
    return this.#anySign(...signs) !== undefined;
  }

  #anySign(...signs: readonly string[]): string | undefined {
    const token = this.#peek();
    if (token.kind !== 'sign' || !signs.includes(token.text)) return undefined;
    this.#at++;
    return token.text;
  }

  #expectWord(word: string): void {
    if (!this.#word(word)) throw unexpected(this.#peek(), word);
  }

  #expectSign(sign: string): void {
    if (!this.#sign(sign)) throw unexpected(this.#peek(), sign);
  }

  #end(wanted: string): void {
    if (this.#peek().kind !== 'end') throw unexpected(this.#peek(), wanted);
  }
}

const isConstant = ({ kind, text }: Token): boolean => kind === 'word' && ['true', 'false', 'null'].includes(text.toLowerCase());

function unexpected({ kind, text, position }: Token, wanted: string): QueryError {
  return new QueryError(`${kind === 'end' ? 'the query ends' : `"${text}" stands`} where ${wanted} should be`, position);
}

function checkColumns(columns: Query['columns'], groupBy: readonly Path[], position: number): void {
  if (columns === '*') {
    if (groupBy.length > 0) throw new QueryError('GROUP BY needs columns instead of *: SELECT tags.site, COUNT() AS devices', position);
    return;
  }
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new QueryError(`two columns are called ${twice}; give one another name with AS`, position);
  if (groupBy.length === 0 && columns.every(({ kind }) => kind === 'path')) return;
  const grouped = new Set(groupBy.map((path) => JSON.stringify(path)));
  const loose = columns.find(({ kind, path }) => kind === 'path' && !grouped.has(JSON.stringify(path)));
  if (loose) throw new QueryError(`${loose.path?.join('.')} stands beside an aggregate or GROUP BY; name it in GROUP BY too`, position);
}
