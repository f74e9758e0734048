import { randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, fsyncSync, ftruncateSync, mkdirSync, openSync, unlinkSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import { type EncodedBlock, encodeBlock } from './block.ts';
import type { Group, LogSettings, Opened, Position, Saved, StuckCause } from './messages.ts';
import { findLog } from './opening.ts';
import type { LogSegment } from './recovery.ts';
import { segmentName } from './segment.ts';
import { type State, StateFile, stateBytes } from './state-file.ts';

/** So many sequence numbers are claimed in the state file at a time; a damaged tail costs at most as many. */
const reserveStep = 10_000;

/** A group was not written; the log is as it was before. */
export class StuckError extends Error {
  readonly reason: StuckCause;

  constructor(reason: StuckCause, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'StuckError';
    this.reason = reason;
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;
const noSpace = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

function stuck(error: unknown): StuckError {
  if (error instanceof StuckError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StuckError(noSpace.has(codeOf(error) ?? '') ? 'disk-full' : 'disk-error', message, error);
}

export interface Written {
  readonly segment: number;
  readonly bytes: number;
  readonly blocks: readonly EncodedBlock[];
}

/**
 * The segments of one folder and the state file beside them. Every call is synchronous and durable when it returns;
 * it is meant for a thread of its own. Knows nothing of policy: it says when there is no room, and removes what it is told to.
 */
export class SegmentLog {
  readonly #settings: LogSettings;
  readonly #stateFile: StateFile;
  readonly segments: LogSegment[];
  readonly opened: Opened;
  #active: { readonly segment: LogSegment; readonly fd: number } | undefined;
  #mustRoll = false;
  #nextSegment: number;
  #nextOrdinal: number;
  #readings: number;
  #lastGapId: number;
  #totalBytes: number;
  #saved: Saved;
  #encoded: { readonly group: number; readonly blocks: readonly EncodedBlock[] } | undefined;

  /** Throws the system's error when the folder cannot be read and written. */
  constructor(settings: LogSettings) {
    this.#settings = settings;
    mkdirSync(settings.folder, { recursive: true, mode: 0o750 });
    this.#stateFile = StateFile.open(join(settings.folder, 'state'));
    const state = this.#stateFile.state;
    const { recovered: found, destinations, removed, saved } = findLog(settings.folder, state, settings.destinations);
    this.segments = [...found.segments];
    this.#nextSegment = Math.max((this.segments.at(-1)?.number ?? 0) + 1, state?.firstSegment ?? 1);
    this.#nextOrdinal = found.nextOrdinal;
    this.#readings = found.readings;
    this.#lastGapId = found.lastGapId;
    this.#totalBytes = stateBytes + this.segments.reduce((sum, s) => sum + s.bytes, 0);
    const last = this.segments.at(-1);
    // Opened before anything is changed: a disk that can only be read is refused here.
    if (last) this.#active = { segment: last, fd: openSync(this.path(last.number), 'r+') };
    this.opened = {
      id: state?.id ?? randomBytes(4).toString('hex'),
      segments: found.states,
      holes: found.holes,
      lost: found.lost,
      destinations,
      removed,
      nextSequence: found.nextSequence,
      readings: found.readings,
      saved,
    };
    this.#saved = saved;
    this.#write(saved, Math.max(state?.reservedThrough ?? 0, found.nextSequence - 1 + reserveStep), found.nextSequence - 1);
    if (found.cut) cut(found.cut.path, found.cut.bytes);
    syncFolder(settings.folder);
  }

  path(number: number): string {
    return join(this.#settings.folder, segmentName(number));
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Writes a group as a whole or not at all; throws StuckError. The same group may be tried again. */
  append(group: Group, writtenMs: number): Written {
    if (this.#encoded?.group !== group.id) this.#encoded = { group: group.id, blocks: this.#encode(group, writtenMs) };
    const { blocks } = this.#encoded;
    const bytes = blocks.reduce((sum, b) => sum + b.header.totalBytes, 0);
    if (this.#totalBytes + bytes > this.#settings.maxSizeBytes)
      throw new StuckError('limit', `${this.#totalBytes} bytes are in the outbox and ${bytes} more are too many`);
    const lastSequence = blocks.at(-1)!.header.lastSequence;
    try {
      const state = this.#stateFile.state!;
      if (lastSequence > state.reservedThrough) this.#stateFile.write({ ...state, reservedThrough: lastSequence + reserveStep });
      const { segment, fd } = this.#room(blocks[0]!);
      this.#writeBlocks(fd, segment, blocks, bytes);
      segment.bytes += bytes;
      segment.lastSequence = lastSequence;
      const last = blocks.at(-1)!.header;
      segment.readingsThrough = last.readingsBefore + last.readings;
      this.#totalBytes += bytes;
      this.#nextOrdinal = last.ordinal + 1;
      this.#readings = segment.readingsThrough;
      this.#lastGapId = last.lastGapId;
      this.#encoded = undefined;
      return { segment: segment.number, bytes, blocks };
    } catch (error) {
      throw stuck(error);
    }
  }

  #encode(group: Group, writtenMs: number): EncodedBlock[] {
    const blocks: EncodedBlock[] = [];
    let [sequence, ordinal, readings, lastGapId, row] = [group.firstSequence, this.#nextOrdinal, this.#readings, this.#lastGapId, 0];
    group.gaps.forEach((gap, i) => {
      const [start, end, events] = group.blocks.slice(i * 3, i * 3 + 3) as [number, number, number];
      lastGapId = Math.max(lastGapId, gap?.id ?? 0);
      const table = group.table.subarray(row, row + events * 4);
      const plain = Buffer.from(group.memory, start, end - start);
      const block = encodeBlock({ plain, table, gap, firstSequence: sequence, ordinal, readingsBefore: readings, lastGapId, writtenMs });
      blocks.push(block);
      row += events * 4;
      sequence += events;
      ordinal++;
      readings += block.header.readings;
    });
    return blocks;
  }

  /** The active segment, a new one when it is full. */
  #room(first: EncodedBlock): { segment: LogSegment; fd: number } {
    const active = this.#active;
    if (active && !this.#mustRoll && active.segment.bytes < this.#settings.segmentBytes) return active;
    const number = this.#nextSegment;
    const fd = openSync(this.path(number), 'w', 0o640);
    try {
      syncFolder(this.#settings.folder);
      const state = this.#stateFile.state!;
      // From here on a missing file is damage, not a fresh start.
      this.#write(this.#saved, state.reservedThrough, this.#durableThrough(), number);
    } catch (error) {
      closeSync(fd);
      unlinkSync(this.path(number));
      throw error;
    }
    if (active) closeSync(active.fd);
    this.#nextSegment++;
    this.#mustRoll = false;
    const { firstSequence, readingsBefore } = first.header;
    const segment: LogSegment = {
      number,
      bytes: 0,
      firstSequence,
      lastSequence: firstSequence - 1,
      readingsBefore,
      readingsThrough: readingsBefore,
    };
    this.segments.push(segment);
    this.#active = { segment, fd };
    return this.#active;
  }

  #writeBlocks(fd: number, segment: LogSegment, blocks: readonly EncodedBlock[], bytes: number): void {
    // A segment that was emptied by a failed attempt starts anew.
    if (segment.bytes === 0) {
      segment.firstSequence = blocks[0]!.header.firstSequence;
      segment.readingsBefore = blocks[0]!.header.readingsBefore;
    }
    let [syncing, synced] = [false, false];
    try {
      const parts = blocks.flatMap((b) => (b.meta.length > 0 ? [b.headerPart, b.meta, b.body] : [b.headerPart, b.body]));
      // IOV_MAX is 1024; one call takes the system a third of the time of three.
      for (let i = 0, at = segment.bytes; i < parts.length; i += 1000) {
        const some = parts.slice(i, i + 1000);
        const wanted = some.reduce((sum, p) => sum + p.length, 0);
        if (writevSync(fd, some, at) !== wanted) throw new StuckError('disk-full', `the disk took less than ${bytes} bytes`);
        at += wanted;
      }
      syncing = true;
      fdatasyncSync(fd);
      synced = true;
    } finally {
      if (!synced) {
        try {
          ftruncateSync(fd, segment.bytes);
          // After a failed sync the system may take pages for clean that are not: nothing more goes into this file.
          this.#mustRoll = syncing && segment.bytes > 0;
        } catch {
          this.#mustRoll = segment.bytes > 0;
          // A torn tail; the next start knows what to do with it.
        }
      }
    }
  }

  /** The next group opens a new segment. Gives the number of the one that is closed now. */
  roll(): number | undefined {
    if (!this.#active || this.#active.segment.bytes === 0) return undefined;
    this.#mustRoll = true;
    return this.#active.segment.number;
  }

  /** First the state, then the files: whatever happens between, what is removed is known to be finished. */
  save(saved: Saved, remove: readonly number[]): void {
    const goes = new Set(remove);
    const stays = this.segments.filter((s) => !goes.has(s.number));
    this.#write(saved, this.#stateFile.state!.reservedThrough, this.#durableThrough(), undefined, stays);
    for (const segment of this.segments.filter((s) => goes.has(s.number))) {
      if (this.#active?.segment === segment) {
        closeSync(this.#active.fd);
        this.#active = undefined;
      }
      this.#totalBytes -= segment.bytes;
      try {
        unlinkSync(this.path(segment.number));
      } catch {
        // Gone already, or not ours to remove: the next start tries again.
      }
    }
    this.segments.splice(0, this.segments.length, ...stays);
  }

  #durableThrough(): number {
    return Math.max(this.segments.at(-1)?.lastSequence ?? 0, this.#stateFile.state?.durableThrough ?? 0);
  }

  #write(
    saved: Saved,
    reservedThrough: number,
    durableThrough: number,
    opens?: number,
    segments: readonly LogSegment[] = this.segments,
  ): void {
    const active = opens ?? segments.at(-1)?.number ?? 0;
    const state: State = {
      id: this.opened.id,
      destinations: saved.destinations,
      ...lowest(saved.destinations),
      gaps: saved.gaps,
      lastGapId: saved.lastGapId,
      told: saved.told,
      reservedThrough,
      nextOrdinal: this.#nextOrdinal,
      durableThrough,
      durableReadings: this.#readings,
      firstSegment: segments[0]?.number ?? opens ?? this.#nextSegment,
      activeSegment: active,
    };
    this.#stateFile.write(state);
    this.#saved = saved;
  }

  close(saved: Saved | undefined): void {
    try {
      if (saved) this.#write(saved, this.#stateFile.state!.reservedThrough, this.#durableThrough());
    } finally {
      if (this.#active) closeSync(this.#active.fd);
      this.#active = undefined;
      this.#stateFile.close();
    }
  }
}

function lowest(destinations: readonly Position[]): Pick<State, 'head' | 'headReadings'> {
  return {
    head: Math.min(...destinations.map(({ head }) => head)),
    headReadings: Math.min(...destinations.map(({ headReadings }) => headReadings)),
  };
}

function cut(path: string, bytes: number): void {
  const fd = openSync(path, 'r+');
  try {
    ftruncateSync(fd, bytes);
    fdatasyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } catch (error) {
    // Some file systems (FAT, network shares) know no sync of a folder.
    if (codeOf(error) !== 'EINVAL') throw error;
  } finally {
    closeSync(fd);
  }
}
