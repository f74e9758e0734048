import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { RawValue } from '../../model/value.ts';
import type { ObservedPoint } from '../contract.ts';
import type { Decode } from '../registers/codec.ts';
import type { ModbusType } from '../registers/types.ts';
import type { BusRequest } from './bus-request.ts';
import { decoderOf } from './codec.ts';
import type { Fault } from './faults.ts';
import { byteCountOf } from './pdu.ts';
import type { PlannedRead } from './planner.ts';
import type { PollGroup } from './poll-group.ts';
import type { ModbusSettings } from './settings.ts';
import { isBitTable, type ModbusAddress, showSpan, type Table } from './types.ts';

/** Who is told how a poll went. */
export interface PollOwner {
  answered(poll: Poll, batch: SampleBatch): void;
  failed(poll: Poll, fault: Fault): void;
}

/** Two halves of a request that was refused; what both of them say teaches something about the whole. */
export interface Split {
  readonly table: Table;
  readonly start: number;
  readonly count: number;
  /** Whether the refusal may have been the machine's state rather than the request. */
  readonly suspect: boolean;
  /** Longest of the halves. */
  readonly half: number;
  /** [from, to) between the halves; empty when they touch. */
  readonly gap: readonly [number, number];
  open: number;
  bothGood: boolean;
}

/** One request that is asked again and again, with everything decided that decoding its answer needs. */
export class Poll implements BusRequest {
  readonly unitId: number;
  readonly table: Table;
  readonly start: number;
  readonly count: number;
  readonly functionCode: number;
  readonly byteCount: number;
  readonly timeoutMs: number;
  readonly everyMs: number;
  readonly group: PollGroup;
  /** Indexes into the observed points, by address. */
  readonly points: Uint32Array;
  dueMs = 0;
  cancelled = false;
  /** Waiting or on its way. */
  pending = false;
  /** Replaced by a newer plan: its answer still counts, its failure does not. */
  retired = false;
  split: Split | undefined;
  busyTries = 0;
  /** Above 0: alone at fault, tried again after this long. */
  quarantineMs = 0;
  readonly #owner: PollOwner;
  readonly #observed: readonly ObservedPoint<ModbusAddress>[];
  readonly #decoders: readonly Decode[];
  /** Byte offset of each value in the answer's data, or number of its bit. */
  readonly #offsets: Uint16Array;

  constructor(
    read: PlannedRead,
    group: PollGroup,
    observed: readonly ObservedPoint<ModbusAddress>[],
    settings: ModbusSettings,
    owner: PollOwner,
  ) {
    this.unitId = read.unitId;
    this.table = read.table;
    this.start = read.start;
    this.count = read.count;
    this.functionCode = settings.functionCodes[read.table];
    this.byteCount = byteCountOf(this.functionCode, read.count);
    this.timeoutMs = settings.timeout;
    this.everyMs = group.everyMs;
    this.group = group;
    this.points = Uint32Array.from(read.members);
    this.#owner = owner;
    this.#observed = observed;
    const perUnit = isBitTable(read.table) ? 1 : 2;
    this.#offsets = Uint16Array.from(read.members, (index) => (observed[index]!.address.start - read.start) * perUnit);
    this.#decoders = read.members.map((index) => decoderOf(observed[index]!.address));
  }

  answered(bytes: Uint8Array, offset: number): void {
    this.pending = false;
    this.#owner.answered(this, this.#decode(bytes, isBitTable(this.table) ? offset * 8 : offset));
  }

  failed(fault: Fault): void {
    this.pending = false;
    this.#owner.failed(this, fault);
  }

  #decode(bytes: Uint8Array, base: number): SampleBatch {
    const size = this.points.length;
    const values = new Array<RawValue | undefined>(size);
    let states: (SampleState | undefined)[] | undefined;
    for (let i = 0; i < size; i++) {
      const value = this.#decoders[i]!(bytes, base + this.#offsets[i]!);
      values[i] = value;
      if (value === undefined) {
        states ??= new Array<SampleState | undefined>(size);
        states[i] = undecodable(this.address(i).type);
      }
    }
    const receivedMs = Date.now();
    return states ? { receivedMs, points: this.points, values, states } : { receivedMs, points: this.points, values };
  }

  address(i: number): ModbusAddress {
    return this.#observed[this.points[i]!]!.address;
  }

  /** Every point bad with one reason. */
  bad(state: SampleState): SampleBatch {
    const size = this.points.length;
    return { receivedMs: Date.now(), points: this.points, values: new Array(size), states: new Array(size).fill(state) };
  }

  /** For messages: `holding 100-224`. */
  get span(): string {
    return showSpan(this.table, this.start, this.count);
  }
}

const undecodables = new Map<ModbusType, SampleState>();

function undecodable(type: ModbusType): SampleState {
  let state = undecodables.get(type);
  if (!state) {
    state = { status: statuses.BadDataEncodingInvalid, reason: `the registers hold no valid ${type}` };
    undecodables.set(type, state);
  }
  return state;
}
