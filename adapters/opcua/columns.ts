import type { Loss, SampleBatch, SampleState } from '../../model/sample.ts';
import { statuses, statusOf } from '../../model/status.ts';
import type { RawValue, ValueType } from '../../model/value.ts';
import { valueTypeOf } from './built-in-types.ts';
import { type DataValue, StatusCodes } from './library.ts';
import { outside, type Part } from './part.ts';
import { type Decoded, decodeVariant, type NodeIdWriter, noTimeMs, unreadable } from './values.ts';

/** Info bits of a data value: overflow counts only where the info type says so (OPC UA Part 4 §7.39.1). */
const overflowMask = 0x0000_0c80;
const overflow = 0x0000_0480;

const picosecondsATick = 100_000;
const fewPoints = 8;

const byCode = new Map<number, SampleState>();
const codeNames = new Map<number, { readonly name: string; readonly description: string }>();

/** The state for a code that a server sent, kept to the last bit; undefined for plain Good. One object for each code. */
export function stateOf(code: number): SampleState | undefined {
  if (code === 0) return undefined;
  let state = byCode.get(code);
  if (!state) {
    const known = codeOf(code & 0xffff_0000);
    const status = statusOf(code, () => known?.name);
    state = code >>> 30 === 0 ? { status } : { status, reason: `the server says: ${known?.description ?? status.name}` };
    byCode.set(code, state);
  }
  return state;
}

function codeOf(base: number): { readonly name: string; readonly description: string } | undefined {
  if (codeNames.size === 0) for (const each of Object.values(StatusCodes)) codeNames.set(each.value >>> 0, each);
  return codeNames.get(base >>> 0);
}

export const noValue: SampleState = { status: statuses.BadNoData, reason: 'the server gives no value (null)' };
const notReadable: SampleState = {
  status: statuses.BadDataEncodingInvalid,
  reason: 'the value is a structure or of an unknown type; name one of its fields with field:',
};
const unreadableState = (part: Part | undefined): SampleState =>
  part ? { status: statuses.BadDataEncodingInvalid, reason: `the value has no readable ${part.what}` } : notReadable;
const beyond = (part: Part): SampleState => ({ status: statuses.BadIndexRangeNoData, reason: `nothing is at ${part.what} of the value` });

/** One list for each type, long enough for the largest batch so far: nearly every batch is of one type. */
const uniform = new Map<ValueType, ValueType[]>();

function allOf(type: ValueType, length: number): readonly ValueType[] {
  const list = uniform.get(type) ?? [];
  if (list.length === 0) uniform.set(type, list);
  while (list.length < length) list.push(type);
  return list;
}

/** Collects what one message brought, column by column. Columns that nothing needs are never made. */
export class Columns {
  readonly #points: Uint32Array;
  readonly #values: (RawValue | undefined)[];
  readonly #times: Float64Array;
  #states: (SampleState | undefined)[] | undefined;
  #ticks: Uint16Array | undefined;
  #type: ValueType | undefined;
  #types: (ValueType | undefined)[] | undefined;
  #overflowed: number[] | undefined;
  #length = 0;
  readonly #receivedMs: number;
  readonly #writeNodeId: NodeIdWriter;

  /** `size` is the most values that may be added. */
  constructor(size: number, receivedMs: number, writeNodeId: NodeIdWriter) {
    this.#points = new Uint32Array(size);
    this.#values = new Array(size);
    this.#times = new Float64Array(size);
    this.#receivedMs = receivedMs;
    this.#writeNodeId = writeNodeId;
  }

  get length(): number {
    return this.#length;
  }

  /** `part` is given only for points that take a part of the value. */
  add(point: number, data: DataValue, part: Part | undefined): void {
    const at = this.#length++;
    this.#points[at] = point;
    this.#setTime(at, data);
    const code = data.statusCode.value >>> 0;
    const state = stateOf(code);
    if (state) {
      this.#setState(at, state);
      if ((code & overflowMask) === overflow) this.#lose(point);
      if (code >>> 31 === 1) return;
    }
    const variant = data.value;
    let type = valueTypeOf[variant.dataType];
    let value: Decoded | typeof outside;
    try {
      if (part) ({ value, type } = part.take(variant, this.#writeNodeId));
      else value = decodeVariant(variant, this.#writeNodeId);
    } catch {
      // A date beyond the calendar, a structure unlike its type: one value is lost, the message is not.
      value = unreadable;
    }
    if (value === undefined) this.#setState(at, noValue);
    else if (typeof value === 'symbol') this.#setState(at, value === outside ? beyond(part!) : unreadableState(part));
    else {
      this.#values[at] = value;
      this.#setType(at, type);
    }
  }

  addBad(point: number, state: SampleState): void {
    const at = this.#length++;
    this.#points[at] = point;
    this.#times[at] = this.#receivedMs;
    this.#setState(at, state);
  }

  finish(verified?: ArrayLike<number>): SampleBatch {
    const length = this.#length;
    const whole = length === this.#points.length;
    if (!whole) this.#values.length = length;
    const lost = this.#losses();
    const types = this.#types ?? (this.#type === undefined ? undefined : allOf(this.#type, length));
    return {
      receivedMs: this.#receivedMs,
      points: whole ? this.#points : this.#points.subarray(0, length),
      values: this.#values,
      sourceTimesMs: this.#times,
      ...(this.#states && { states: this.#states }),
      ...(this.#ticks && { sourceTicks: this.#ticks }),
      ...(types && { types }),
      ...(verified && { verified }),
      ...(lost && { lost }),
    };
  }

  #setTime(at: number, data: DataValue): void {
    let date = data.sourceTimestamp;
    let picoseconds = data.sourcePicoseconds;
    let ms = date === null ? noTimeMs : date.getTime();
    if (ms <= noTimeMs) {
      date = data.serverTimestamp;
      picoseconds = data.serverPicoseconds;
      ms = date === null ? noTimeMs : date.getTime();
      if (ms <= noTimeMs) {
        this.#times[at] = this.#receivedMs;
        return;
      }
    }
    this.#times[at] = ms;
    if (picoseconds >= picosecondsATick) {
      this.#ticks ??= new Uint16Array(this.#points.length);
      this.#ticks[at] = Math.floor(picoseconds / picosecondsATick);
    }
  }

  #setState(at: number, state: SampleState): void {
    this.#states ??= new Array(this.#points.length);
    this.#states[at] = state;
  }

  #setType(at: number, type: ValueType | undefined): void {
    if (this.#types) this.#types[at] = type;
    else if (this.#type === undefined && type !== undefined) this.#type = type;
    else if (type !== this.#type || type === undefined) {
      this.#types = new Array(this.#points.length);
      this.#types.fill(this.#type, 0, at);
      this.#types[at] = type;
    }
  }

  #lose(point: number): void {
    this.#overflowed ??= [];
    this.#overflowed.push(point);
  }

  /** Each point by name as long as they are few: a server that falls behind overflows everywhere at once, and one record says it. */
  #losses(): readonly Loss[] | undefined {
    const points = this.#overflowed;
    if (!points) return undefined;
    const reason = 'the queue of the server was full before it could ship (overflow)';
    if (points.length <= fewPoints) return points.map((point) => ({ point, reason, count: 1 }));
    return [{ reason: `${reason}, ${new Set(points).size} points`, count: points.length }];
  }
}
