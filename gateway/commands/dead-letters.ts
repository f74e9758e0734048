import { unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type DeadLetter, listDeadLetters } from '../destination/dead-letters.ts';
import { table } from './table.ts';

/** `dragoman dead-letters [ID]`: what hubs refused for good, and why. 1 when the id is not there. */
export async function deadLetters(id: string | undefined, options: { data: string; json?: boolean; remove?: boolean }): Promise<number> {
  const folder = join(resolve(options.data), 'dead-letters');
  const all = await listDeadLetters(folder);
  const chosen = id === undefined ? all : all.filter((letter) => letter.id === id);
  if (id !== undefined && chosen.length === 0) {
    process.stderr.write(`no dead letter ${id} in ${folder}; without an id all of them are listed\n`);
    return 1;
  }
  if (options.json) process.stdout.write(`${JSON.stringify(chosen, undefined, 2)}\n`);
  else if (id !== undefined) for (const letter of chosen) show(letter);
  else if (all.length === 0) process.stdout.write('no dead letters: no hub has refused a message for good\n');
  else {
    const rows = all.map(({ time, destination, id: one, reason, body }) => [time, destination, one, String(body.length), reason]);
    process.stdout.write(`${table(['time', 'destination', 'id', 'size', 'reason'], rows)}\n`);
  }
  if (options.remove) {
    for (const { file } of chosen) await unlink(file);
    process.stderr.write(`${chosen.length} removed\n`);
  }
  return 0;
}

function show({ time, destination, id, reason, contentType, contentEncoding, body, bodyIs }: DeadLetter): void {
  const head = [
    ['id', id],
    ['time', time],
    ['destination', destination],
    ['reason', reason],
    ['content', `${contentType}, ${contentEncoding}${bodyIs === 'base64' ? ', shown as base64' : ''}`],
  ];
  process.stdout.write(`${head.map(([key, value]) => `${key!.padEnd(12)} ${value}`).join('\n')}\n\n${body}\n\n`);
}
