import { gunzipSync } from 'node:zlib';
import { textOf } from '../../mappings/yaml/file.ts';
import { digestOf } from './blobs.ts';
import { type AskedFile, DesiredConfiguration, fileNameOf, mostFetchedBytes, mostTextBytes } from './desired.ts';
import type { RuntimeSettings } from './runtime-settings.ts';
import { urlProblem } from './url.ts';

/** Something in the desired properties that cannot be right. */
export interface AssemblyProblem {
  /** Where in the document: `mappings.cooker-1.sha256`. */
  readonly path: string;
  readonly message: string;
}

export interface Wanted {
  readonly file: string;
  readonly url: string;
  readonly sha256: string;
}

export type Assembly =
  /** An absent section says nothing about what it is for. */
  | {
      readonly state: 'ready';
      readonly files: ReadonlyMap<string, string> | undefined;
      readonly settings: RuntimeSettings | undefined;
    }
  /** Somebody is still writing; nothing is wrong. */
  | { readonly state: 'waiting'; readonly missing: readonly string[] }
  | { readonly state: 'fetch'; readonly wanted: readonly Wanted[] }
  | { readonly state: 'refused'; readonly problems: readonly AssemblyProblem[] };

const mostShown = 5;

/**
 * What the desired properties ask for, put together. Pure: `have` are texts by their SHA-256 that are at hand already.
 * Refused goes before waiting, waiting before fetch.
 */
export function assemble(desired: unknown, have: ReadonlyMap<string, string>): Assembly {
  const parsed = DesiredConfiguration.safeParse(desired);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => ({
      path: issue.path.join('.').slice(0, 200),
      message: issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message,
    }));
    return { state: 'refused', problems };
  }
  const { mappings, mappingParts = {}, settings } = parsed.data;
  const sorting = new Sorting(have);
  for (const [key, asked] of Object.entries(mappings ?? {})) {
    if (asked !== null) sorting.take(key, asked, partsOf(mappingParts, key));
  }
  const { problems, missing, wanted, files } = sorting;
  if (problems.length > 0) return { state: 'refused', problems };
  if (missing.length > 0) return { state: 'waiting', missing };
  if (wanted.length > 0) return { state: 'fetch', wanted };
  return { state: 'ready', files: mappings && files, settings: settings === null ? {} : settings };
}

type Parts = Readonly<Record<string, string | null>>;

function partsOf(all: Readonly<Record<string, Parts | null>>, key: string): Parts {
  const file = fileNameOf(key);
  const found = all[key] ?? Object.entries(all).find(([other]) => fileNameOf(other) === file)?.[1];
  return found ?? {};
}

class Sorting {
  readonly problems: AssemblyProblem[] = [];
  readonly missing: string[] = [];
  readonly wanted: Wanted[] = [];
  readonly files = new Map<string, string>();
  readonly #have: ReadonlyMap<string, string>;
  readonly #names = new Set<string>();

  constructor(have: ReadonlyMap<string, string>) {
    this.#have = have;
  }

  take(key: string, asked: AskedFile, parts: Parts): void {
    const file = fileNameOf(key);
    if (this.#names.has(file)) this.#wrong(key, `${file} is given twice, with and without its ending`);
    this.#names.add(file);
    if ('text' in asked) this.#text(key, file, asked.text);
    else if ('chunks' in asked) this.#chunks(key, file, asked, parts);
    else {
      const problem = urlProblem(asked.url);
      const known = this.#have.get(asked.sha256);
      if (problem !== undefined) this.#wrong(`${key}.url`, problem);
      else if (known !== undefined) this.files.set(file, known);
      else this.wanted.push({ file, url: asked.url, sha256: asked.sha256 });
    }
  }

  #chunks(key: string, file: string, asked: Extract<AskedFile, { chunks: number }>, parts: Parts): void {
    // What it shall be is here already: the parts may have been cleared since.
    const known = this.#have.get(asked.sha256);
    if (known !== undefined) {
      this.files.set(file, known);
      return;
    }
    const pieces = Array.from({ length: asked.chunks }, (_, number) => asked.parts?.[number] ?? parts[number] ?? undefined);
    const absent = pieces.flatMap((piece, number) => (piece === undefined ? [number] : []));
    if (absent.length > 0) {
      const more = absent.length > mostShown ? ` and ${absent.length - mostShown} more` : '';
      const word = absent.length === 1 ? 'part' : 'parts';
      this.missing.push(`${file}: ${word} ${absent.slice(0, mostShown).join(', ')}${more} of ${asked.chunks} (numbered from 0)`);
      return;
    }
    const joined = pieces.join('');
    const text = asked.encoding === 'gzip' ? this.#inflated(key, joined) : joined;
    if (text === undefined) return;
    const sha256 = digestOf(text);
    if (sha256 === asked.sha256) this.#text(key, file, text);
    else {
      const message = `the ${asked.chunks} parts together are ${Buffer.byteLength(text)} bytes with SHA-256 ${sha256}, and ${asked.sha256} is asked for`;
      this.#wrong(`${key}.sha256`, message);
    }
  }

  #inflated(key: string, base64: string): string | undefined {
    try {
      return gunzipSync(Buffer.from(base64, 'base64'), { maxOutputLength: mostFetchedBytes }).toString('utf8');
    } catch (error) {
      this.#wrong(`${key}.encoding`, `the parts together are not base64 of a gzipped file of at most 10 MB: ${(error as Error).message}`);
      return undefined;
    }
  }

  #text(key: string, file: string, text: string): void {
    const bytes = Buffer.from(text);
    const read = bytes.length > mostFetchedBytes ? undefined : textOf(file, bytes);
    if (read === undefined) this.#wrong(key, `${file} has ${bytes.length} bytes; at most ${mostTextBytes} are taken`);
    else if (typeof read === 'string') this.files.set(file, read);
    else this.#wrong(key, read.message);
  }

  #wrong(key: string, message: string): void {
    this.problems.push({ path: `mappings.${key}`, message });
  }
}
