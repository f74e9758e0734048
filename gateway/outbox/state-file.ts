import { closeSync, constants, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Position, Saved, StoredGap } from './messages.ts';

/**
 * The few facts that must outlive the segments, in a file whose room is taken once: two slots of 64 KiB that are written in turn
 * and in place, so that it can be written on a full disk and a torn write leaves the other slot.
 */
export interface State {
  readonly id: string;
  /** Absent in a file of the time when there was one destination, without a name. */
  readonly destinations?: readonly Position[];
  /** Everything up to this sequence number is finished by all of them. */
  readonly head: number;
  readonly headReadings: number;
  readonly gaps: readonly StoredGap[];
  readonly lastGapId: number;
  readonly told: Saved['told'];
  /** No number above was ever given out. */
  readonly reservedThrough: number;
  /** The end of the log when this was written: a log that ends before it has lost its tail. */
  readonly nextOrdinal: number;
  readonly durableThrough: number;
  readonly durableReadings: number;
  readonly firstSegment: number;
  readonly activeSegment: number;
}

const slotBytes = 64 * 1024;
export const stateBytes = 2 * slotBytes;
const headBytes = 24;
const slotMagic = 0x53424744; // "DGBS"

export class StateFile {
  readonly #fd: number;
  #generation: number;
  state: State | undefined;

  private constructor(fd: number, generation: number, state: State | undefined) {
    this.#fd = fd;
    this.#generation = generation;
    this.state = state;
  }

  /** Throws the system's error when the file can be neither opened nor made. */
  static open(path: string): StateFile {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o640);
    try {
      const slots = Buffer.alloc(2 * slotBytes);
      const found = readSync(fd, slots, 0, slots.length, 0);
      let [generation, state]: [number, State | undefined] = [0, undefined];
      for (const slot of [0, 1]) {
        const decoded = decodeSlot(slots.subarray(slot * slotBytes, (slot + 1) * slotBytes));
        if (decoded && decoded.generation > generation) ({ generation, state } = decoded);
      }
      if (found < slots.length) {
        // Real bytes, not a hole: the room must be ours before the disk is full.
        writeSync(fd, slots.subarray(found), 0, slots.length - found, found);
        fsyncSync(fd);
      }
      return new StateFile(fd, generation, state);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Durable when it returns. */
  write(state: State): void {
    const text = Buffer.from(JSON.stringify(state));
    if (text.length > slotBytes - headBytes) throw new RangeError(`the state of the outbox has ${text.length} bytes`);
    const generation = this.#generation + 1;
    const slot = Buffer.alloc(headBytes + text.length);
    slot.writeUInt32LE(slotMagic, 0);
    slot.writeBigUInt64LE(BigInt(generation), 4);
    slot.writeUInt32LE(text.length, 12);
    slot.writeUInt32LE(crc32(text), 16);
    slot.writeUInt32LE(crc32(slot.subarray(0, 20)), 20);
    text.copy(slot, headBytes);
    const written = writeSync(this.#fd, slot, 0, slot.length, (generation % 2) * slotBytes);
    if (written !== slot.length) throw Object.assign(new Error('short write of the state file'), { code: 'ENOSPC' });
    fdatasyncSync(this.#fd);
    this.#generation = generation;
    this.state = state;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function decodeSlot(slot: Buffer): { generation: number; state: State } | undefined {
  if (slot.readUInt32LE(0) !== slotMagic || crc32(slot.subarray(0, 20)) !== slot.readUInt32LE(20)) return undefined;
  const length = slot.readUInt32LE(12);
  if (length > slotBytes - headBytes) return undefined;
  const text = slot.subarray(headBytes, headBytes + length);
  if (crc32(text) !== slot.readUInt32LE(16)) return undefined;
  return { generation: Number(slot.readBigUInt64LE(4)), state: JSON.parse(text.toString('utf8')) as State };
}

/** For the support: the newest sound state, read without touching the file. */
export function peekState(path: string): State | undefined {
  const fd = openSync(path, 'r');
  try {
    const slots = Buffer.alloc(2 * slotBytes);
    readSync(fd, slots, 0, slots.length, 0);
    const decoded = [decodeSlot(slots.subarray(0, slotBytes)), decodeSlot(slots.subarray(slotBytes))];
    return decoded.toSorted((a, b) => (b?.generation ?? -1) - (a?.generation ?? -1))[0]?.state;
  } finally {
    closeSync(fd);
  }
}
