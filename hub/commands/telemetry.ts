import type { Command } from 'commander';
import { afterFix } from '../error.ts';
import type { Hole } from '../telemetry/sequences.ts';
import { folderOf, interrupted, print, toleratePipe } from './shared.ts';

interface Selection {
  readonly device?: string;
  readonly equipment?: string;
}

/** `hub tail`: events from now on, until Ctrl-C. */
export async function tail(options: Selection & { json?: boolean }, command: Command): Promise<void> {
  const [{ followTelemetry }, { eventLine }] = await Promise.all([import('../telemetry/reader.ts'), import('./event-line.ts')]);
  toleratePipe();
  using stop = interrupted();
  for await (const stored of followTelemetry(folderOf(command), options, stop.signal)) {
    if (!(await print(options.json ? JSON.stringify(stored.event) : eventLine(stored)))) return;
  }
}

/** `hub query`: the events of a time range, as JSON lines. */
export async function query(
  options: Selection & { from?: number; to?: number; last?: number; duplicates?: boolean },
  command: Command,
): Promise<void> {
  const { readTelemetry, removedTelemetry } = await import('../telemetry/reader.ts');
  if (options.last !== undefined && (options.from !== undefined || options.to !== undefined)) {
    command.error('--last and --from/--to exclude each other', { exitCode: 2 });
  }
  toleratePipe();
  const folder = folderOf(command);
  const from = options.last === undefined ? options.from : Date.now() - options.last;
  const { last: _, ...rest } = options;
  for await (const { event } of readTelemetry(folder, { ...rest, ...(from !== undefined && { from }) })) {
    if (!(await print(JSON.stringify(event)))) return;
  }
  for (const removed of removedTelemetry(folder)) {
    if (removed.lastMs >= (from ?? -Infinity)) process.stderr.write(`note: ${removedLine(removed)}\n`);
  }
}

/** `hub gaps`: exit code 1 when anything is missing that nobody explained. */
export async function gaps(options: { device?: string; json?: boolean }, command: Command): Promise<void> {
  const [{ readAccounts, unexplained }, { removedTelemetry }] = await Promise.all([
    import('../telemetry/gaps.ts'),
    import('../telemetry/reader.ts'),
  ]);
  const folder = folderOf(command);
  const accounts = readAccounts(folder).filter(({ device }) => options.device === undefined || device === options.device);
  const removed = removedTelemetry(folder);
  if (options.json) process.stdout.write(`${JSON.stringify({ gateways: accounts, removed })}\n`);
  else {
    for (const account of accounts) {
      const duplicates = account.duplicates === 0 ? '' : `, ${account.duplicates} came twice and are kept once`;
      const life = account.epoch === '' ? '' : `  [${account.epoch}]`;
      const head = `${account.device}  ${account.source}${life}  ${account.firstSequence}-${account.lastSequence}: ${account.events} events`;
      process.stdout.write(`${head}${account.missing.length === 0 ? ', complete' : ''}${duplicates}\n`);
      for (const hole of account.missing) process.stdout.write(`  ${holeLine(hole)}\n`);
      for (const loss of account.unnumbered) process.stdout.write(`  lost ${loss.readings} readings: ${loss.reason}  ${times(loss)}\n`);
    }
    for (const entry of removed) process.stdout.write(`${removedLine(entry)}\n`);
    if (accounts.length === 0) process.stdout.write('no numbered events have arrived yet\n');
  }
  const open = accounts.flatMap(unexplained);
  if (open.length > 0) {
    const events = open.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    throw afterFix(
      'gaps-unexplained',
      `${events} events are missing and no gateway has said why`,
      "look at the gateway's log around these times; what comes late closes its gap by itself",
    );
  }
}

function holeLine(hole: Hole): string {
  const range = hole.first === hole.last ? `${hole.first}` : `${hole.first}-${hole.last}`;
  const why = hole.reason === undefined ? 'MISSING, unexplained' : `lost ${hole.readings} readings: ${hole.reason}`;
  return `${range}  ${why}  ${times(hole)}`;
}

const times = ({ fromMs, toMs }: { fromMs: number; toMs: number }): string => `${iso(fromMs)} to ${iso(toMs)}`;
const iso = (ms: number): string => new Date(ms).toISOString();

function removedLine({ reason, messages, events, firstMs, lastMs }: import('../telemetry/retention.ts').Removed): string {
  const why = reason === 'age' ? 'it was too old' : 'the hub was full';
  return `${events} events (${messages} messages) that arrived ${iso(firstMs)} to ${iso(lastMs)} were removed because ${why}`;
}
