import type { PayloadAddress, Place } from './address.ts';
import { type DecodedBody, type Dialect, decodeBody, dialectOf } from './body.ts';
import type { Message, MessageReader, MessageSamples } from './contract.ts';
import { fetchOf } from './fetch.ts';
import { compileRead, type ReadPoint } from './point.ts';
import { SourceTime } from './source-time.ts';
import { doubtfulTime, noTimeState } from './states.ts';
import { UndecodableError } from './undecodable.ts';
import type { Taken } from './values.ts';
import { acceptsOf, type Filter } from './when.ts';

/** Bodies beyond this are refused unless the adapter says otherwise: 4 MiB. */
export const defaultMaxBody = 4 * 1024 * 1024;

export interface ReaderOptions {
  /** Bytes. */
  readonly maxBody?: number;
}

/** Points behind one filter in bodies of one dialect. */
interface Group {
  readonly dialect: Dialect;
  /** Place among the dialects of the reader. */
  readonly body: number;
  /** Tests of properties and annotations, asked before the body is decoded: bodies of other messages need not be readable. */
  readonly outer: readonly Filter[];
  readonly inner: readonly Filter[];
  readonly needsBody: boolean;
  readonly points: readonly ReadPoint[];
}

/**
 * Reads messages for a fixed set of points. All that can be decided beforehand is: places, converters, which points share a filter,
 * and which a decoded body.
 */
export function messageReader(
  points: readonly { readonly index: number; readonly address: PayloadAddress }[],
  { maxBody = defaultMaxBody }: ReaderOptions = {},
): MessageReader {
  const groups = groupsOf(points);
  const bodies = new Array<DecodedBody | undefined>(groups.length);
  const taken: Taken = { value: undefined, state: undefined, type: undefined };
  return {
    read(message) {
      const { body } = message;
      if (body instanceof Uint8Array && body.length > maxBody) {
        const hint = 'Raise maxBody, or let the machine send less at once';
        throw new UndecodableError(`the body has ${body.length} bytes, more than the ${maxBody} that are read`, undefined, hint);
      }
      const out: MessageSamples = { points: [], values: [], states: [], sourceTimesMs: [], sourceTicks: [], types: [] };
      bodies.fill(undefined);
      for (const group of groups) {
        if (!passes(group.outer, message, nothing, 0)) continue;
        if (group.needsBody) bodies[group.body] ??= decodeBody(body, group.dialect);
        readGroup(group, message, bodies[group.body] ?? nothing, taken, out);
      }
      return out;
    },
  };
}

const nothing: DecodedBody = { rows: 1 };

const isOuter = ({ kind }: Place): boolean => kind === 'property' || kind === 'annotation';

function groupsOf(points: readonly { readonly index: number; readonly address: PayloadAddress }[]): Group[] {
  const all = points.map(({ address }) => address);
  const keys: string[] = [];
  const byKey = Map.groupBy(points, ({ address }) => JSON.stringify([dialectOf(address, all), address.when ?? []], exactly));
  return [...byKey.values()].map((members) => {
    const dialect = dialectOf(members[0]!.address, all);
    const key = JSON.stringify(dialect);
    if (!keys.includes(key)) keys.push(key);
    const tests = members[0]!.address.when ?? [];
    const filter = (outer: boolean): Filter[] =>
      tests.filter(({ place }) => isOuter(place) === outer).map((test) => ({ fetch: fetchOf(test.place), accepts: acceptsOf(test) }));
    const inner = filter(false);
    const times = new Map<string, SourceTime>();
    return {
      dialect,
      body: keys.indexOf(key),
      outer: filter(true),
      inner,
      needsBody:
        inner.length > 0 || members.some(({ address: { place, time } }) => !isOuter(place) || (time !== undefined && !isOuter(time.place))),
      points: members.map(({ index, address }) => compileRead(index, address, address.time && timeOf(address, times))),
    };
  });
}

function timeOf(address: PayloadAddress, shared: Map<string, SourceTime>): SourceTime {
  const key = JSON.stringify([address.time, address.timeFormat, address.timeZone]);
  const known = shared.get(key) ?? new SourceTime(address);
  shared.set(key, known);
  return known;
}

const exactly = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

function passes(filters: readonly Filter[], message: Message, body: DecodedBody, row: number): boolean {
  for (const { fetch, accepts } of filters) if (!accepts(fetch(message, body, row))) return false;
  return true;
}

function readGroup(group: Group, message: Message, body: DecodedBody, taken: Taken, out: MessageSamples): void {
  const from = out.points.length;
  for (let row = 0; row < body.rows; row++) {
    if (!passes(group.inner, message, body, row)) continue;
    turn++;
    for (const point of group.points) readPoint(point, message, body, row, taken, out);
  }
  if (body.rows > 1) oldestFirst(out, from);
  if (body.rows === 0 && group.inner.length === 0)
    for (const point of group.points) if (point.missing) push(point, message, body, out, undefined);
}

/** Counts messages and rows, so that what is read once for each is not read again. */
let turn = 0;

function readPoint(point: ReadPoint, message: Message, body: DecodedBody, row: number, taken: Taken, out: MessageSamples): void {
  const there = point.read(message, body, row, taken);
  if (!there && !point.missing) return;
  push(point, message, body, out, there ? taken : undefined);
  if (!point.time) return;
  const at = out.points.length - 1;
  const { instant, shown } = point.time;
  if (point.time.find(message, body, row, turn)) {
    out.sourceTimesMs[at] = instant.timeMs;
    out.sourceTicks[at] = instant.ticks;
    if (instant.doubtful) out.states[at] ??= doubtfulTime;
  } else out.states[at] ??= noTimeState(shown, point.time.node);
}

function push(point: ReadPoint, message: Message, body: DecodedBody, out: MessageSamples, taken: Taken | undefined): void {
  out.points.push(point.index);
  out.values.push(taken?.value);
  out.states.push(taken ? taken.state : point.missing?.(body));
  out.types.push(taken?.type);
  out.sourceTimesMs.push(message.timeMs ?? message.receivedMs);
  out.sourceTicks.push(0);
}

/** Rows of a file may run from the newest; stable, so that rows of one time keep their order. */
function oldestFirst(out: MessageSamples, from: number): void {
  const { sourceTimesMs: times, sourceTicks: ticks } = out;
  const later = (a: number, b: number): number => times[a]! - times[b]! || ticks[a]! - ticks[b]!;
  let sorted = true;
  for (let i = from + 1; sorted && i < times.length; i++) sorted = later(i - 1, i) <= 0;
  if (sorted) return;
  const order = Array.from({ length: times.length - from }, (_, i) => from + i).sort(later);
  for (const column of Object.values(out) as unknown[][]) {
    const moved = order.map((i) => column[i]);
    for (let i = 0; i < moved.length; i++) column[from + i] = moved[i];
  }
}
