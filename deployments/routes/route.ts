import type { Endpoint } from '../contract.ts';
import { compileCondition, type Evaluate } from './compile-condition.ts';
import type { Expression } from './expression.ts';
import { parseCondition } from './parse-condition.ts';
import { RouteError } from './tokens.ts';

export interface ParsedRoute {
  /** In lower case, with a slash at its end: what the path of a message must begin with. */
  readonly prefix: string;
  readonly condition: Expression | undefined;
  /** Undefined: always true. */
  readonly evaluate: Evaluate | undefined;
  readonly endpoint: Endpoint;
}

/** Longer than a twin keeps a text. */
const mostCharacters = 4_096;

const head = /^\s*(?:SELECT\s+\*\s+)?FROM\s+(\S+)/i;
const sink = /^(?:(\$upstream)|(BrokeredEndpoint)\s*\(\s*(?:"([^"]*)"|'([^']*)')\s*\))\s*$/i;

/** `[SELECT *] FROM source [WHERE condition] INTO sink`. Throws a RouteError. */
export function parseRoute(text: string): ParsedRoute {
  if (text.length > mostCharacters) throw new RouteError(1, `a route has at most ${mostCharacters} characters, this one ${text.length}`);
  const from = head.exec(text);
  if (!from) throw new RouteError(1, 'a route begins with FROM', 'FROM /messages/modules/filter/outputs/* INTO $upstream');
  const sourceAt = from[0].length - from[1]!.length;
  const prefix = prefixOf(from[1]!, sourceAt + 1);
  const into = lastInto(text, from[0].length);
  if (into < 0)
    throw new RouteError(
      text.length + 1,
      'INTO is missing',
      'a route ends with INTO $upstream or INTO BrokeredEndpoint("/modules/m/inputs/i")',
    );
  const between = text.slice(from[0].length, into);
  const where = /^\s*WHERE\b/i.exec(between);
  if (!where && between.trim() !== '') {
    const column = from[0].length + between.search(/\S/) + 1;
    throw new RouteError(column, `"${between.trim().slice(0, 40)}" cannot stand between source and INTO`, 'a condition begins with WHERE');
  }
  const condition = where ? parseCondition(between.slice(where[0].length), from[0].length + where[0].length) : undefined;
  return { prefix, condition, evaluate: condition && compileCondition(condition), endpoint: endpointOf(text, into + 4) };
}

/** The INTO that no text of the condition holds. */
function lastInto(text: string, from: number): number {
  let quote: string | undefined;
  for (let at = from; at < text.length; at++) {
    const character = text[at]!;
    if (quote !== undefined) {
      if (character === '\\') at++;
      else if (character === quote) quote = undefined;
    } else if (character === '"' || character === "'") quote = character;
    else if (/^[\s)]INTO\s/i.test(text.slice(at, at + 6))) return at + 1;
  }
  return -1;
}

const sources = [
  /^\/$/,
  /^\/messages\/$/,
  /^\/messages\/modules\/$/,
  /^\/messages\/modules\/[^/]+\/(outputs\/([^/]+\/)?)?$/,
  /^\/twinchangenotifications\/$/,
];

function prefixOf(source: string, column: number): string {
  const prefix = `${source.replace(/\*$/, '').replace(/\/$/, '')}/`.toLowerCase();
  if (source.startsWith('/') && sources.some((pattern) => pattern.test(prefix))) return prefix;
  const hint = '/messages/*, /messages/modules/NAME/*, /messages/modules/NAME/outputs/OUTPUT, /twinChangeNotifications or /*';
  throw new RouteError(column, `${source} is no source of messages`, hint);
}

function endpointOf(text: string, at: number): Endpoint {
  const rest = text.slice(at);
  const trimmed = rest.trimStart();
  const column = at + rest.length - trimmed.length + 1;
  const match = sink.exec(trimmed);
  if (!match) {
    const hint = 'INTO $upstream, or INTO BrokeredEndpoint("/modules/NAME/inputs/INPUT")';
    throw new RouteError(column, `"${trimmed.slice(0, 60)}" is no place where messages can go`, hint);
  }
  if (match[1] !== undefined) return { kind: 'upstream' };
  const path = match[3] ?? match[4] ?? '';
  const [empty, modules, module, inputs, input, ...more] = path.split('/');
  const fits = empty === '' && modules?.toLowerCase() === 'modules' && inputs?.toLowerCase() === 'inputs' && more.length === 0;
  if (!fits || !module || !input)
    throw new RouteError(column, `"${path}" is no input of a module`, 'it has four parts: /modules/NAME/inputs/INPUT');
  return { kind: 'input', module, input };
}
