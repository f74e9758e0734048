import type { SampleBatch } from '../../model/sample.ts';
import type { ObservedPoint } from '../contract.ts';
import { halve } from './bisection.ts';
import type { Bus } from './bus.ts';
import { exceptionMeaning, type Fault } from './faults.ts';
import type { Learned } from './learned.ts';
import { type PlannedRead, planReads } from './planner.ts';
import { Poll, type PollOwner, type Split } from './poll.ts';
import { PollGroup } from './poll-group.ts';
import type { ModbusSettings } from './settings.ts';
import { isBitTable, type ModbusAddress, type Table } from './types.ts';

export interface PollCounters {
  latePolls: number;
  bisections: number;
  learnedLimits: number;
  quarantined: number;
}

/** How patient a poller is with what does not work. Tests are less patient. */
export interface Patience {
  /** A culprit is tried again after the first, then twice that …, at most the second. */
  readonly culpritMs: readonly [number, number];
  /** The same for one that answers with a failure that may pass by itself (exception 4). */
  readonly ailingMs: readonly [number, number];
  readonly busyMs: number;
  readonly busyTries: number;
}
export const fieldPatience: Patience = { culpritMs: [30_000, 300_000], ailingMs: [1_000, 30_000], busyMs: 200, busyTries: 5 };

export interface PollerParts {
  readonly bus: Bus;
  readonly settings: ModbusSettings;
  readonly points: readonly ObservedPoint<ModbusAddress>[];
  readonly learned: Learned;
  readonly counters: PollCounters;
  readonly patience: Patience;
  readonly emit: (batch: SampleBatch) => void;
}

/** Refusals of the same request before its length is blamed, where the machine may simply be ill. */
const suspicionsNeeded = 3;
let phases = 0;

interface IntervalClass {
  readonly everyMs: number;
  readonly groups: PollGroup[];
  nextMs: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Asks for one set of points, each at its interval, on a fixed grid of the monotonic clock; a tick that finds its request still
 * unanswered is skipped and counted. A refused request is cut in halves until the culprit stands alone.
 */
export class Poller implements PollOwner {
  readonly #parts: PollerParts;
  readonly #classes = new Map<number, IntervalClass>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #quarantine = new Set<Poll>();
  #once = false;
  #stopped = false;

  constructor(parts: PollerParts) {
    this.#parts = parts;
    const groups = new Map<string, number[]>();
    parts.points.forEach(({ address, everyMs }, index) => {
      const key = `${everyMs} ${address.unitId}`;
      const members = groups.get(key);
      if (members) members.push(index);
      else groups.set(key, [index]);
    });
    for (const members of groups.values()) {
      const { address, everyMs } = parts.points[members[0]!]!;
      let cls = this.#classes.get(everyMs);
      if (!cls) {
        cls = { everyMs, groups: [], nextMs: 0, timer: undefined };
        this.#classes.set(everyMs, cls);
      }
      const group = new PollGroup(address.unitId, everyMs, members);
      group.polls = this.#plan(group);
      cls.groups.push(group);
    }
  }

  get requests(): number {
    let count = 0;
    for (const cls of this.#classes.values()) for (const group of cls.groups) count += group.polls.length;
    return count;
  }

  /** Asks everything at once, then each class on its own grid, whose phase differs from that of other machines. */
  start(): void {
    const now = performance.now();
    for (const cls of this.#classes.values()) {
      const phase = 0.5 + ((phases++ * 0.618) % 1) / 2;
      cls.nextMs = now + cls.everyMs * phase;
      this.#ask(cls, now);
      this.#schedule(cls);
    }
  }

  /** Asks everything once; failed requests are split, but nothing is repeated. */
  askOnce(): void {
    this.#once = true;
    const now = performance.now();
    for (const cls of this.#classes.values()) this.#ask(cls, now);
  }

  stop(): void {
    this.#stopped = true;
    for (const cls of this.#classes.values()) {
      clearTimeout(cls.timer);
      for (const group of cls.groups) for (const poll of group.polls) poll.cancelled = true;
    }
    for (const poll of this.#quarantine) poll.cancelled = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  #schedule(cls: IntervalClass): void {
    cls.timer = setTimeout(() => this.#tick(cls), Math.max(1, cls.nextMs - performance.now()));
  }

  #tick(cls: IntervalClass): void {
    const now = performance.now();
    // Timers may fire a fraction of a millisecond early.
    if (now >= cls.nextMs - 1) {
      const skipped = Math.max(0, Math.floor((now - cls.nextMs) / cls.everyMs));
      const due = cls.nextMs + skipped * cls.everyMs;
      if (skipped > 0) for (const group of cls.groups) this.#parts.counters.latePolls += skipped * group.polls.length;
      cls.nextMs = due + cls.everyMs;
      this.#ask(cls, due);
    }
    if (!this.#stopped) this.#schedule(cls);
  }

  #ask(cls: IntervalClass, dueMs: number): void {
    for (const group of cls.groups) {
      // A copy: an immediate failure may change the plan.
      for (const poll of [...group.polls]) {
        if (poll.pending) this.#parts.counters.latePolls++;
        else if (!poll.retired) this.#submit(poll, dueMs, false);
      }
    }
  }

  #submit(poll: Poll, dueMs: number, first: boolean): void {
    poll.pending = true;
    poll.dueMs = dueMs;
    this.#parts.bus.submit(poll, first);
  }

  #plan(group: PollGroup): Poll[] {
    const { settings, points, learned } = this.#parts;
    const indexes = [...group.points];
    const configured = (table: Table): number => (isBitTable(table) ? settings.maxBits : settings.maxRegisters);
    const reads = planReads(
      indexes.map((index) => points[index]!.address),
      {
        max: (unitId, table) => learned.max(unitId, table, configured(table)),
        maxGap: settings.maxGap,
        oneRequestPerPoint: settings.oneRequestPerPoint,
        forbidden: (unitId, table, from, to) => learned.forbidden(unitId, table, from, to),
      },
    );
    return reads.map((read) => this.#poll({ ...read, members: read.members.map((member) => indexes[member]!) }, group));
  }

  #poll(read: PlannedRead, group: PollGroup): Poll {
    return new Poll(read, group, this.#parts.points, this.#parts.settings, this);
  }

  answered(poll: Poll, batch: SampleBatch): void {
    if (this.#stopped) return;
    poll.busyTries = 0;
    this.#parts.emit(batch);
    if (poll.quarantineMs > 0) this.#release(poll);
    else if (poll.split) this.#resolve(poll, true);
  }

  failed(poll: Poll, fault: Fault): void {
    if (this.#stopped || poll.retired) return;
    if (fault.kind !== 'exception') {
      this.#bad(poll, fault);
      if (poll.quarantineMs > 0) this.#retryLater(poll);
      return;
    }
    switch (exceptionMeaning(fault.code).means) {
      case 'busy':
        this.#busy(poll, fault);
        return;
      case 'path':
        this.#bad(poll, fault);
        if (poll.quarantineMs > 0) this.#retryLater(poll);
        return;
      case 'function':
        this.#isolate(poll, fault);
        return;
      default:
        this.#bisect(poll, fault);
    }
  }

  #bad(poll: Poll, fault: Fault): void {
    this.#parts.emit(poll.bad(fault.state));
    if (poll.split) this.#resolve(poll, false);
  }

  #busy(poll: Poll, fault: Fault): void {
    const { busyMs, busyTries } = this.#parts.patience;
    if (++poll.busyTries > busyTries) {
      poll.busyTries = 0;
      this.#bad(poll, fault);
      if (poll.quarantineMs > 0) this.#retryLater(poll);
      return;
    }
    poll.pending = true;
    this.#after(busyMs, () => {
      if (!poll.retired) this.#submit(poll, poll.dueMs, false);
    });
  }

  #bisect(poll: Poll, fault: Fault & { kind: 'exception' }): void {
    const { points, counters } = this.#parts;
    const halves = poll.quarantineMs > 0 ? undefined : halve(poll.points, (index) => points[index]!.address);
    if (!halves) {
      this.#isolate(poll, fault);
      return;
    }
    counters.bisections++;
    const { group } = poll;
    const [left, right] = halves;
    const split: Split = {
      table: poll.table,
      start: poll.start,
      count: poll.count,
      suspect: exceptionMeaning(fault.code).means === 'suspect',
      half: Math.max(left.count, right.count),
      gap: [left.start + left.count, Math.max(right.start, left.start + left.count)],
      open: 2,
      bothGood: true,
    };
    poll.retired = true;
    group.remove(poll);
    const children = [left, right].map((read) => this.#poll(read, group));
    group.polls.push(...children);
    group.openHalves += 2;
    group.replanDue = true;
    if (poll.split) this.#resolve(poll, false);
    for (const child of children) child.split = split;
    // The second first, so that the first one stands at the head of the queue.
    for (const child of children.toReversed()) this.#submit(child, poll.dueMs, true);
  }

  /** A half has told how it is. Once both have, the whole they came from may have taught something. */
  #resolve(poll: Poll, good: boolean): void {
    const { split, group } = poll;
    if (!split) return;
    poll.split = undefined;
    group.openHalves--;
    split.open--;
    if (!good) split.bothGood = false;
    if (split.open === 0 && split.bothGood) this.#learn(split, group);
    this.#replanIfDue(group);
  }

  /** Both halves are readable, the whole was not: the gap between them is at fault, or the length. */
  #learn(split: Split, group: PollGroup): void {
    const { learned, counters } = this.#parts;
    const { unitId } = group;
    const [from, to] = split.gap;
    if (to > from) {
      learned.forbid(unitId, split.table, from, to);
      return;
    }
    if (split.suspect && learned.suspect(unitId, split.table, split.start, split.count) < suspicionsNeeded) return;
    if (learned.max(unitId, split.table, split.count) <= split.half) return;
    learned.lower(unitId, split.table, split.half);
    counters.learnedLimits++;
    for (const cls of this.#classes.values()) {
      for (const other of cls.groups) {
        if (other.unitId !== unitId) continue;
        other.replanDue = true;
        if (other !== group) this.#replanIfDue(other);
      }
    }
  }

  /** The culprit: bad with its reason, out of the plan, tried again slowly. */
  #isolate(poll: Poll, fault: Fault & { kind: 'exception' }): void {
    const { counters, learned, patience } = this.#parts;
    this.#parts.emit(poll.bad(fault.state));
    if (this.#once) {
      if (poll.split) this.#resolve(poll, false);
      return;
    }
    const [firstMs, mostMs] = exceptionMeaning(fault.code).means === 'suspect' ? patience.ailingMs : patience.culpritMs;
    if (poll.quarantineMs === 0) {
      counters.quarantined++;
      poll.group.remove(poll);
      for (const index of poll.points) poll.group.points.delete(index);
      this.#quarantine.add(poll);
      learned.forbid(poll.unitId, poll.table, poll.start, poll.start + poll.count);
    }
    poll.quarantineMs = poll.quarantineMs === 0 ? firstMs : Math.min(mostMs, poll.quarantineMs * 2);
    this.#retryLater(poll);
    if (poll.split) this.#resolve(poll, false);
  }

  #retryLater(poll: Poll): void {
    this.#after(poll.quarantineMs, () => this.#submit(poll, performance.now(), false));
  }

  /** It answers again and goes back to its neighbours. */
  #release(poll: Poll): void {
    const { counters, learned } = this.#parts;
    counters.quarantined--;
    poll.quarantineMs = 0;
    poll.retired = true;
    this.#quarantine.delete(poll);
    learned.allow(poll.unitId, poll.table, poll.start, poll.start + poll.count);
    for (const index of poll.points) poll.group.points.add(index);
    // Keeps its rate until the new plan, which waits for others that come back at the same moment.
    poll.group.replanDue = true;
    this.#after(1, () => this.#replanIfDue(poll.group));
  }

  #replanIfDue(group: PollGroup): void {
    if (this.#once || !group.replanDue || group.openHalves > 0 || this.#stopped) return;
    group.replanDue = false;
    let waited = false;
    for (const poll of group.polls) {
      waited ||= poll.pending;
      poll.retired = true;
      poll.cancelled = true;
    }
    group.polls = this.#plan(group);
    const now = performance.now();
    if (waited) for (const poll of [...group.polls]) this.#submit(poll, now, false);
  }

  #after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }
}
