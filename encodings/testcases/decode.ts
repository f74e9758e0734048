import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { asyncuaPython, type Capability } from '../../test/support/capabilities.ts';
import type { EncodedMessage } from '../contract.ts';

const decoders = join(import.meta.dirname, 'decoders');

/** For the decoders that need nothing but its standard library. */
export const pythonHere: Capability = {
  name: 'python3',
  ok: spawnSync('python3', ['--version'], { stdio: 'ignore', timeout: 10_000 }).status === 0,
  reason: 'python3 is not installed',
};

export const textOf = ({ body }: EncodedMessage): string => Buffer.from(body).toString('utf8');

/** Gives lines to one of the decoders in Python, and its lines back as JSON. */
export function python<T>(script: string, lines: readonly string[], program = 'python3'): T[] {
  if (lines.length === 0) return [];
  const run = spawnSync(program, [join(decoders, script)], { input: `${lines.join('\n')}\n`, encoding: 'utf8', timeout: 30_000 });
  if (run.status !== 0) throw new Error(run.stderr || `${script} ended with ${run.status ?? run.signal}`);
  return run.stdout
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

export interface SenmlRecord {
  readonly n: string;
  readonly t: string;
  readonly relative: boolean;
  readonly u?: string;
  readonly v?: string;
  readonly vs?: string;
  readonly vb?: boolean;
  readonly vd?: string;
}

export const resolveSenml = (messages: readonly EncodedMessage[]): SenmlRecord[][] => python('senml_resolve.py', messages.map(textOf));

export const csvRows = (messages: readonly EncodedMessage[], separator = ','): string[][][] =>
  python(
    'csv_rows.py',
    messages.map((message) => JSON.stringify({ text: textOf(message), separator })),
  );

export interface PubSubRead {
  readonly metadata?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly units?: Readonly<Record<string, number>>;
  readonly version?: readonly [number, number];
  readonly data?: readonly {
    readonly writer: string;
    readonly sequence: number;
    readonly type: string;
    readonly fields: Readonly<
      Record<string, { readonly value?: unknown; readonly status?: string; readonly source?: string; readonly server?: string }>
    >;
  }[];
}

export const readPubSub = (messages: readonly EncodedMessage[]): PubSubRead[] =>
  python('pubsub_read.py', messages.map(textOf), asyncuaPython());
