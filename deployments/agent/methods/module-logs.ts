import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Engine, LogLine } from '../../engine/contract.ts';
import type { AgentOptions } from '../contract.ts';
import type { LastWords } from '../last-words.ts';
import type { ModuleSet } from '../module-set.ts';
import { levelOf, recordOf } from './log-record.ts';
import { type LogFilter, type LogItem, type LogRequest, readPattern } from './log-request.ts';
import { matching } from './matching.ts';
import { AgentRefusal } from './refusal.ts';

export interface LogParts extends Pick<AgentOptions, 'identity' | 'ownLogs'> {
  readonly modules: ModuleSet;
  readonly lastWords: LastWords;
  readonly engine: () => Engine;
}

/** The log of one module, filtered; encoded as the request wants it. */
export interface ModuleLog {
  readonly id: string;
  readonly body: Buffer;
}

const compress = promisify(gzip);
const own = ['edgeAgent', 'edgeHub'] as const;
/** What a module may have written since it was made is more than anybody reads. */
const mostCharacters = 32_000_000;

/** The logs that a request is about, each once, one after the other. */
export async function* logsOf(parts: LogParts, request: LogRequest): AsyncGenerator<ModuleLog> {
  for (const [id, filter] of chosen(request.items, namesOf(parts))) {
    const lines = await linesOf(parts, id, filter);
    const plain = Buffer.from(request.contentType === 'json' ? asJson(parts, id, lines) : lines.map(({ text }) => `${text}\n`).join(''));
    yield { id, body: request.encoding === 'gzip' ? await compress(plain) : plain };
  }
}

/** Modules, and the two that the gateway is. */
export const namesOf = ({ modules, ownLogs }: LogParts): readonly string[] => [
  ...(ownLogs ? own : []),
  ...modules.all().map(({ name }) => name),
];

/** Of several items for one module the first counts, as in IoT Edge. */
function chosen(items: readonly LogItem[], names: readonly string[]): ReadonlyMap<string, LogFilter> {
  const wanted = new Map<string, LogFilter>();
  for (const { id, filter } of items) {
    const found = id === 'all' ? names : names.includes(id) ? [id] : matching(names, readPattern('id', id));
    if (found.length === 0) throw new AgentRefusal(400, `no module matches "${id.slice(0, 200)}"; there are ${names.join(', ') || 'none'}`);
    for (const name of found) if (!wanted.has(name)) wanted.set(name, filter);
  }
  return wanted;
}

export async function linesOf(parts: LogParts, id: string, filter: LogFilter): Promise<readonly LogLine[]> {
  const lines: LogLine[] = [];
  let characters = 0;
  for await (const line of source(parts, id, filter)) {
    characters += line.text.length;
    if (characters > mostCharacters) break;
    lines.push(line);
  }
  const last = filter.tail === undefined ? lines : filter.tail === 0 ? [] : lines.slice(-filter.tail);
  const { loglevel, regex } = filter;
  const grave = loglevel === undefined ? last : last.filter(({ text }) => levelOf(text) <= loglevel);
  if (!regex) return grave;
  const found = new Set(matching([...new Set(grave.map(({ text }) => text))], regex));
  return grave.filter(({ text }) => found.has(text));
}

async function* source(parts: LogParts, id: string, { tail, since, until }: LogFilter): AsyncGenerator<LogLine> {
  const inTime = ({ time }: LogLine): boolean => {
    const seconds = Date.parse(time) / 1000;
    return !(seconds < (since ?? -Infinity)) && !(seconds > (until ?? Infinity));
  };
  if (id === 'edgeAgent' || id === 'edgeHub') {
    for await (const line of parts.ownLogs!(id)) if (inTime(line)) yield line;
    return;
  }
  for (const line of await parts.lastWords.of(id))
    if (inTime(line)) yield { ...line, text: `[a container that was taken back] ${line.text}` };
  const container = parts.modules.get(id)?.containerId;
  if (container === undefined) return;
  const range = { ...(tail !== undefined && { tail }), ...(since !== undefined && { since }), ...(until !== undefined && { until }) };
  yield* parts.engine().logs(container, range);
}

function asJson({ identity }: LogParts, id: string, lines: readonly LogLine[]): string {
  const who = identity?.() ?? { deviceId: '', hub: '' };
  return JSON.stringify(lines.map((line) => recordOf(line, id, who)));
}
