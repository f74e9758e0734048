import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const name = /^audit-(\d{6})\.jsonl$/;

export interface Segment {
  readonly number: number;
  readonly file: string;
}

export function segmentFile(folder: string, number: number): string {
  return join(folder, `audit-${String(number).padStart(6, '0')}.jsonl`);
}

export const headFile = (folder: string): string => join(folder, 'head.json');

/** In order; none when the folder is not there. */
export async function segmentsOf(folder: string): Promise<readonly Segment[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names
    .flatMap((one) => {
      const number = Number(name.exec(one)?.[1] ?? Number.NaN);
      return Number.isNaN(number) ? [] : [{ number, file: join(folder, one) }];
    })
    .toSorted((a, b) => a.number - b.number);
}

/** Lines of a segment; the last one is whole only if `text` ends with a line end. */
export async function linesOf({ file }: Segment): Promise<{ readonly lines: readonly string[]; readonly torn: string }> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  return { torn: lines.pop() ?? '', lines };
}
