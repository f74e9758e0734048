import type { SampleState } from '../../model/sample.ts';
import type { BusRequest } from './bus-request.ts';

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

  take(): BusRequest | undefined {
    const lane = this.#next();
    if (!lane) return undefined;
    const request = lane.waiting[lane.head]!;
    lane.waiting[lane.head++] = undefined;
    if (lane.head === lane.waiting.length) {
      lane.waiting.length = 0;
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
