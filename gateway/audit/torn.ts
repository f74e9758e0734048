import { createHash } from 'node:crypto';

/** Ties the note about half an entry to the very bytes that it is about. */
export function tornHash(line: string): string {
  return createHash('sha256').update(line).digest('hex');
}
