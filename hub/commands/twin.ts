import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { afterFix } from '../error.ts';
import { callHub } from './rest-call.ts';
import { folderOf, print, twinPath } from './shared.ts';

interface TwinOptions {
  readonly module?: string;
  readonly patch?: unknown;
  /** Path and value, as written. */
  readonly set?: readonly (readonly [string, string])[];
  readonly desired?: string;
  readonly json?: boolean;
}

type Json = Record<string, unknown>;

/** `hub twin DEVICE[/MODULE]`: the twin after what was asked for. */
export async function twin(id: string, options: TwinOptions, command: Command): Promise<void> {
  const ways = [options.patch, options.set ?? options.desired].filter((way) => way !== undefined);
  if (ways.length > 1) command.error('--patch says all of it: leave out --set and --desired', { exitCode: 2 });
  const path = `/twins/${twinPath(id, options.module, command)}`;
  const body = options.patch ?? patchOf(options);
  const call = body === undefined ? ({ method: 'GET', path } as const) : ({ method: 'PATCH', path, body } as const);
  const found = await callHub(folderOf(command), call);
  await print(JSON.stringify(found, undefined, options.json ? undefined : 2));
}

function patchOf({ set, desired }: TwinOptions): Json | undefined {
  if (set === undefined && desired === undefined) return undefined;
  const patch: Json = desired === undefined ? {} : { properties: { desired: readJson(desired) } };
  for (const [path, text] of set ?? []) {
    const keys = path.split('.');
    put(patch, keys[0] === 'desired' ? ['properties', ...keys] : keys, parsedValue(text));
  }
  return patch;
}

function put(object: Json, [key = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) object[key] = value;
  else {
    const inner = object[key];
    const next = typeof inner === 'object' && inner !== null ? (inner as Json) : {};
    object[key] = next;
    put(next, rest, value);
  }
}

/** `5`, `true`, `null`, `{…}`; what is no JSON is a text. */
function parsedValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function readJson(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw afterFix('file', `cannot read ${file}: ${(error as Error).message}`, 'name a JSON file with desired properties', error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw afterFix(
      'json',
      `${file} is not JSON: ${(error as Error).message}`,
      'write an object of desired properties, { "rate": 5 }',
      error,
    );
  }
}
