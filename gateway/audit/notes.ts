import { createHash } from 'node:crypto';

/** What the log notes about itself, and `verify` understands. */
export const continuedAction = 'continued after a torn entry';
export const droppedAction = 'dropped the oldest entries';

/** Ties the note about half an entry to the very bytes that it is about. */
export function tornHash(line: string): string {
  return createHash('sha256').update(line).digest('hex');
}
