import type { Compression } from '../delivery/compression.ts';

const placeholders = ['{gateway}', '{time}', '{sequence}'] as const;

/** What is wrong with the template of a name, for a person; empty when nothing is. */
export function nameProblems(text: string): readonly string[] {
  const problems: string[] = [];
  const bare = text.replace(/\{[^{}]*\}/g, (written) => {
    if (!(placeholders as readonly string[]).includes(written)) problems.push(`${written} is not one of ${placeholders.join(' ')}`);
    return '';
  });
  // A name that comes again after a reader took the file away would look like one it has read already.
  if (!text.includes('{time}')) problems.push('{time} must be in it, or names would repeat themselves');
  if (/[^A-Za-z0-9._-]/.test(bare)) problems.push('only letters, digits and . _ - may stand around the placeholders');
  if (/^\./.test(text)) problems.push('a name that begins with a dot is hidden from most programs');
  return problems;
}

/** A file that is being written; readers look for other names. */
export const partSuffix = '.part';
export const packedSuffix: Readonly<Record<Compression, string>> = { none: '', gzip: '.gz', zstd: '.zst' };

export type Kind = 'jsonl' | 'csv' | 'txt';

/** Names of one destination: makes them, and knows its own among others. */
export class FileNames {
  readonly #template: string;
  readonly #gateway: string;
  readonly #own: RegExp;

  constructor(template: string, gateway: string) {
    this.#template = template;
    this.#gateway = safe(gateway);
    const pattern = template
      .split(/(\{[a-z]+\})/)
      .map((part) =>
        part === '{gateway}'
          ? literal(this.#gateway)
          : part === '{time}'
            ? '\\d{8}T\\d{6}Z'
            : part === '{sequence}'
              ? '(\\d{6,})'
              : literal(part),
      )
      .join('');
    this.#own = new RegExp(`^${pattern}(?:-\\d+)?\\.(jsonl|csv|txt)(\\.gz|\\.zst)?(\\.part)?$`);
  }

  /** Without suffix: `gw-1-20261124T080001Z-000017.jsonl`. `again` tells apart what would else have one name. */
  make(atMs: number, sequence: number, kind: Kind, again: number): string {
    const time = new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, '');
    const name = this.#template
      .replaceAll('{gateway}', this.#gateway)
      .replaceAll('{time}', time)
      .replaceAll('{sequence}', String(sequence).padStart(6, '0'));
    return `${name}${again === 0 ? '' : `-${again}`}.${kind}`;
  }

  /** What a name of ours says; undefined for the file of somebody else. */
  parse(name: string): OwnFile | undefined {
    const match = this.#own.exec(name);
    if (!match) return undefined;
    const hasSequence = this.#template.includes('{sequence}');
    const [kind, packed, part] = match.slice(hasSequence ? 2 : 1);
    return {
      name,
      sequence: hasSequence ? Number(match[1]) : 0,
      kind: kind as Kind,
      packed: packed !== undefined,
      part: part !== undefined,
    };
  }
}

export interface OwnFile {
  readonly name: string;
  readonly sequence: number;
  readonly kind: Kind;
  readonly packed: boolean;
  readonly part: boolean;
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const safe = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, '_');
