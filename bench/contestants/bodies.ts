import { readFileSync } from 'node:fs';
import type { Body } from '../harness/bodies.ts';

/** Reads the bodies that a bare sender is to send; they are bytes from then on. */
export function readBodies(file: string): readonly { readonly topic: string; readonly bytes: Buffer; readonly readings: number }[] {
  const bodies = JSON.parse(readFileSync(file, 'utf8')) as Body[];
  return bodies.map(({ topic, text, readings }) => ({ topic, bytes: Buffer.from(text, 'utf8'), readings }));
}
