import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { callGateway } from '../api/access.ts';
import { formatReport, type ShadowReport } from '../shadow/report.ts';
import { sayRefusal } from './refusal.ts';
import { table } from './table.ts';

interface Options {
  readonly data: string;
  readonly json?: boolean;
}

export interface StartOptions extends Options {
  readonly for?: string;
  readonly promoteAfter?: string;
  /** `0.1`, or `setpoint=0.5`; several. */
  readonly maxDifference: readonly string[];
  readonly maxDifferentShare?: string;
  readonly name?: string;
  readonly note?: string;
}

/** `dragoman shadow start FILE`: the running gateway compares the file with the mapping that runs. */
export async function shadowStart(file: string, options: StartOptions): Promise<number> {
  const differences = readDifferences(options.maxDifference);
  if (typeof differences === 'string') {
    process.stderr.write(`${differences}\n`);
    return 2;
  }
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    process.stderr.write(`${file} cannot be read: ${(error as Error).message}\n`);
    return 1;
  }
  const { for: lasts, promoteAfter, maxDifferentShare, note, name } = options;
  return ask(options, 'shadow.start', {
    file: name ?? basename(file),
    text,
    ...(lasts !== undefined && { for: lasts }),
    ...(promoteAfter !== undefined && { promoteAfter }),
    ...(differences !== undefined && { maxDifference: differences }),
    ...(maxDifferentShare !== undefined && { maxDifferentShare: Number(maxDifferentShare) }),
    ...(note !== undefined && { note }),
  });
}

/** `dragoman shadow status [ID]`: the run that is under way, or the newest; `--all`: one line a run. */
export async function shadowStatus(id: string | undefined, options: Options & { all?: boolean }): Promise<number> {
  if (!options.all) return ask(options, 'shadow.status', { ...idOf(id), points: 200 });
  const result = await callGateway(resolve(options.data), 'shadow.status', { all: true });
  if (result.status >= 300 || options.json) return say(result, options);
  const { runs } = result.payload as { runs: readonly ShadowReport[] };
  const rows = runs.map(({ id: run, state, file, started, observed, reason }) => [
    String(run),
    state,
    file,
    started,
    observed,
    reason ?? '',
  ]);
  process.stdout.write(runs.length === 0 ? 'no shadow runs\n' : `${table(['id', 'state', 'file', 'started', 'observed', 'why'], rows)}\n`);
  return 0;
}

export function shadowPromote(id: string | undefined, options: Options & { note?: string }): Promise<number> {
  return ask(options, 'shadow.promote', { ...idOf(id), ...(options.note !== undefined && { note: options.note }) });
}

export function shadowDrop(id: string | undefined, options: Options & { note?: string }): Promise<number> {
  return ask(options, 'shadow.drop', { ...idOf(id), ...(options.note !== undefined && { note: options.note }) });
}

async function ask(options: Options, method: string, payload: unknown): Promise<number> {
  return say(await callGateway(resolve(options.data), method, payload), options);
}

function say({ status, payload }: { readonly status: number; readonly payload: unknown }, { json }: Options): number {
  if (json) process.stdout.write(`${JSON.stringify(payload, undefined, 2)}\n`);
  else if (status >= 300) sayRefusal(payload);
  else process.stdout.write(`${formatReport(payload as ShadowReport)}\n`);
  return status < 300 ? 0 : 1;
}

/** The gateway says what is wrong with what is no number. */
function idOf(id: string | undefined): { readonly id?: number | string } {
  if (id === undefined) return {};
  return { id: /^\d+$/.test(id) ? Number(id) : id };
}

/** One figure for all points, or figures by point; a text that says what is wrong. */
export function readDifferences(written: readonly string[]): number | Record<string, number> | undefined | string {
  if (written.length === 0) return undefined;
  const example = 'write --max-difference 0.1, or --max-difference setpoint=0.5 for each point';
  const named: Record<string, number> = {};
  for (const text of written) {
    const [, point, figure] = /^(?:([A-Za-z]\w*)=)?(\d+(?:\.\d+)?(?:e-?\d+)?)$/i.exec(text) ?? [];
    if (figure === undefined) return `"${text}" is not a difference; ${example}`;
    if (point === undefined && written.length > 1) return `one figure for all points stands alone; ${example}`;
    if (point === undefined) return Number(figure);
    named[point] = Number(figure);
  }
  return named;
}
