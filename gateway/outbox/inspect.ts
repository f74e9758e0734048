import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { gapOf, headerBytes } from './block.ts';
import type { StoredGap } from './messages.ts';
import { segmentNumbers } from './recovery.ts';
import { FileWindow, scan, segmentName } from './segment.ts';
import { peekState, type State } from './state-file.ts';

export interface SegmentListing {
  readonly file: string;
  readonly bytes: number;
  readonly blocks: number;
  readonly events: number;
  readonly readings: number;
  readonly firstSequence: number | undefined;
  readonly lastSequence: number | undefined;
  /** ISO times of the first and last reading. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Ranges of bytes that hold no sound block. */
  readonly damage: readonly { readonly from: number; readonly to: number }[];
  readonly gaps: readonly StoredGap[];
}

export interface OutboxListing {
  readonly state: State | undefined;
  readonly segments: readonly SegmentListing[];
}

/**
 * What lies in an outbox folder, for a support bundle: no values, only numbers, times and damage. Reads only, every checksum is checked;
 * may run beside the gateway that owns the folder (the block that is being written then shows as damage at the end).
 */
export function inspectOutbox(folder: string): OutboxListing {
  let state: State | undefined;
  try {
    state = peekState(join(folder, 'state'));
  } catch {
    state = undefined;
  }
  return {
    state,
    segments: segmentNumbers(folder).map((number) => inspectSegment(join(folder, segmentName(number)), segmentName(number))),
  };
}

function inspectSegment(path: string, file: string): SegmentListing {
  const fd = openSync(path, 'r');
  try {
    const bytes = fstatSync(fd).size;
    const window = new FileWindow(fd);
    const damage: { from: number; to: number }[] = [];
    const gaps: StoredGap[] = [];
    let [blocks, events, readings, fromMs, toMs] = [0, 0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    let [firstSequence, lastSequence] = [undefined as number | undefined, undefined as number | undefined];
    for (const found of scan(window, bytes, true)) {
      if ('damage' in found) {
        damage.push(found.damage);
        continue;
      }
      const { header, offset } = found;
      blocks++;
      events += header.events;
      readings += header.readings;
      fromMs = Math.min(fromMs, header.fromMs);
      toMs = Math.max(toMs, header.toMs);
      firstSequence ??= header.firstSequence;
      lastSequence = header.lastSequence;
      if (header.gap) gaps.push(gapOf(window.piece(offset + headerBytes, header.metaBytes)));
    }
    const iso = (ms: number): string | undefined => (Number.isFinite(ms) ? new Date(ms).toISOString() : undefined);
    return { file, bytes, blocks, events, readings, firstSequence, lastSequence, from: iso(fromMs), to: iso(toMs), damage, gaps };
  } finally {
    closeSync(fd);
  }
}
