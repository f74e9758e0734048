import type { Engine, LogLine } from '../../engine/contract.ts';
import type { AgentOptions } from '../contract.ts';
import type { KeptLines, LastWords } from '../last-words.ts';
import type { ModuleSet } from '../module-set.ts';
import type { LogFilter } from './log-request.ts';

export interface LogSources extends Pick<AgentOptions, 'ownLogs'> {
  readonly modules: ModuleSet;
  readonly lastWords: LastWords;
  readonly engine: () => Engine;
}

/** What one container wrote; its heading stands before it where a log has more than one. */
export interface LogSection {
  readonly heading?: LogLine;
  readonly lines: AsyncIterable<LogLine> | Iterable<LogLine>;
}

/** The log of a module, the newest container last: before the one that runs, one that should have taken its place and did not come up. */
export async function* sectionsOf(sources: LogSources, id: string, filter: LogFilter): AsyncGenerator<LogSection> {
  if (id === 'edgeAgent' || id === 'edgeHub') {
    yield { lines: inTime(sources.ownLogs!(id), filter) };
    return;
  }
  const kept = await sources.lastWords.of(id);
  const runner = sources.modules.get(id);
  const words = kept && takenBack(kept, filter);
  if (words) yield words;
  if (runner?.containerId === undefined) return;
  const { tail, since, until } = filter;
  const range = { ...(tail !== undefined && { tail }), ...(since !== undefined && { since }), ...(until !== undefined && { until }) };
  const { spec, container } = runner.view;
  const lines = sources.engine().logs(runner.containerId, range);
  yield words ? { heading: headed(container?.startedAt ?? '', `${spec?.image ?? id}, which runs in its place`), lines } : { lines };
}

/** Undefined where nothing of it is of the time that was asked for. */
function takenBack({ about, lines: all }: KeptLines, filter: LogFilter): LogSection | undefined {
  const { image = 'a container', at = all.at(-1)?.time ?? '', reason = 'it did not come up' } = about ?? {};
  const lines = all.filter(({ time }) => isInTime(time, filter));
  if (lines.length === 0 && !isInTime(at, filter)) return undefined;
  const text = `${image} was taken back${at === '' ? '' : ` at ${at}`}: ${reason}; ${all.length === 0 ? 'it wrote nothing' : 'its last lines'}`;
  return { heading: headed(at, text), lines };
}

const headed = (time: string, text: string): LogLine => ({ time, stream: 'stderr', text: `--- ${text.replaceAll('\n', ' ')} ---` });

/** A time that nobody can read is of any. */
function isInTime(time: string, { since, until }: LogFilter): boolean {
  const seconds = Date.parse(time) / 1000;
  return !(seconds < (since ?? -Infinity)) && !(seconds > (until ?? Infinity));
}

async function* inTime(lines: AsyncIterable<LogLine>, filter: LogFilter): AsyncGenerator<LogLine> {
  for await (const line of lines) if (isInTime(line.time, filter)) yield line;
}
