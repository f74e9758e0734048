import type { SampleState } from '../../model/sample.ts';
import type { BusRequest } from './bus-request.ts';

/** Silences in a row after which a unit is left alone for a while, and how long that is. */
const parkAfter = 2;
const probeFirstMs = 5_000;
const probeMaxMs = 60_000;
/** A unit that is alone on its wire disturbs nobody. */
const probeAloneMs = 1_000;
/** Places at the head of a lane that may be empty before they are given back; a lane that never runs empty would grow for ever. */
const maxHollow = 1_000;

/** What waits for one unit, by interval class: the request whose deadline comes first goes first, so that slow classes do not hold up fast ones. */
export class UnitQueue {
  readonly unitId: number;
  readonly #lanes: Lane[] = [];
  /** Requests that waited out their time one after the other. */
  timeouts = 0;
  /** Requests up to this number say nothing new about the unit when they run out of time: it has answered since, or was counted silent. */
  judgedUpTo = 0;
  /** Set while the unit is parked: why its points are bad. */
  parked: SampleState | undefined;
  /** Monotonic time from which one request may try a parked unit. */
  probeAtMs = 0;
  probeWaitMs = 0;
  /** Above 0: until then nothing is sent to it, because a late answer might still come and could not be told from a new one. */
  quietUntilMs = 0;
  /** Its last exchange brought an answer. */
  alive = false;

  constructor(unitId: number) {
    this.unitId = unitId;
  }

  /** Anything but silence: an exception too proves that the unit is there. `sent` is the number of the latest request. */
  answered(sent: number): void {
    this.timeouts = 0;
    this.judgedUpTo = sent;
    this.alive = true;
    this.parked = undefined;
    this.probeWaitMs = 0;
  }

  /** It, or the gateway before it, let a request run out of time. The second time in a row it is parked; a probe that fails doubles the wait. */
  fellSilent(why: SampleState, now: number, alone: boolean): void {
    this.alive = false;
    if (++this.timeouts < parkAfter) return;
    this.parked = why;
    this.probeWaitMs = alone ? probeAloneMs : Math.min(probeMaxMs, Math.max(probeFirstMs, this.probeWaitMs * 2));
    this.probeAtMs = now + this.probeWaitMs;
  }

  add(request: BusRequest, first: boolean): void {
    let lane = this.#lanes.find((l) => l.everyMs === request.everyMs);
    if (!lane) {
      lane = { everyMs: request.everyMs, waiting: [], head: 0 };
      this.#lanes.push(lane);
    }
    if (!first) lane.waiting.push(request);
    else if (lane.head > 0) lane.waiting[--lane.head] = request;
    else lane.waiting.unshift(request);
  }

  get empty(): boolean {
    return this.#next() === undefined;
  }

  /** A write waits. */
  get urgent(): boolean {
    const lane = this.#next();
    return lane !== undefined && lane.waiting[lane.head]!.pdu !== undefined;
  }

  take(): BusRequest | undefined {
    const lane = this.#next();
    if (!lane) return undefined;
    const request = lane.waiting[lane.head]!;
    lane.waiting[lane.head++] = undefined;
    if (lane.head === lane.waiting.length) {
      lane.waiting.length = 0;
      lane.head = 0;
    } else if (lane.head > maxHollow && lane.head * 2 > lane.waiting.length) {
      lane.waiting.splice(0, lane.head);
      lane.head = 0;
    }
    return request;
  }

  #next(): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of this.#lanes) {
      while (lane.head < lane.waiting.length && lane.waiting[lane.head]!.cancelled) lane.head++;
      const head = lane.waiting[lane.head];
      if (head && (!best || head.dueMs + head.everyMs < best.waiting[best.head]!.dueMs + best.everyMs)) best = lane;
    }
    return best;
  }
}

interface Lane {
  readonly everyMs: number;
  readonly waiting: (BusRequest | undefined)[];
  head: number;
}
