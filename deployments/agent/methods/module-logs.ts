import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { LogLine } from '../../engine/contract.ts';
import type { AgentOptions } from '../contract.ts';
import { levelOf, recordOf } from './log-record.ts';
import { type LogFilter, type LogItem, type LogRequest, readPattern } from './log-request.ts';
import { type LogSection, type LogSources, sectionsOf } from './log-sections.ts';
import { matching } from './matching.ts';
import { AgentRefusal } from './refusal.ts';

export interface LogParts extends LogSources, Pick<AgentOptions, 'identity'> {}

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

/** Of each container the last lines that the filter leaves, under its heading where there are several. */
export async function linesOf(parts: LogParts, id: string, filter: LogFilter): Promise<readonly LogLine[]> {
  const found: LogLine[] = [];
  if (filter.tail === 0) return found;
  const filters = filter.loglevel !== undefined || filter.regex !== undefined;
  const room = { characters: mostCharacters };
  for await (const { heading, lines } of sectionsOf(parts, id, filter)) {
    const left = filtered(await read(lines, room), filter);
    if (heading && (left.length > 0 || !filters)) found.push(heading);
    found.push(...left);
  }
  return found;
}

async function read(lines: LogSection['lines'], room: { characters: number }): Promise<readonly LogLine[]> {
  const all: LogLine[] = [];
  for await (const line of lines) {
    room.characters -= line.text.length;
    if (room.characters < 0) break;
    all.push(line);
  }
  return all;
}

function filtered(lines: readonly LogLine[], { tail, loglevel, regex }: LogFilter): readonly LogLine[] {
  const last = tail === undefined ? lines : lines.slice(-tail);
  const grave = loglevel === undefined ? last : last.filter(({ text }) => levelOf(text) <= loglevel);
  if (!regex) return grave;
  const matches = new Set(matching([...new Set(grave.map(({ text }) => text))], regex));
  return grave.filter(({ text }) => matches.has(text));
}

function asJson({ identity }: LogParts, id: string, lines: readonly LogLine[]): string {
  const who = identity?.() ?? { deviceId: '', hub: '' };
  return JSON.stringify(lines.map((line) => recordOf(line, id, who)));
}
