import type { Poll } from './poll.ts';

/** The polls of one unit and one interval: what may be joined into requests, and is planned anew when something was learned. */
export class PollGroup {
  readonly unitId: number;
  readonly everyMs: number;
  /** Indexes of the observed points that are polled at their rate; those in quarantine are not among them. */
  points: Set<number>;
  polls: Poll[] = [];
  /** Halves of split requests that have not told yet how they are. */
  openHalves = 0;
  /** A new plan will be made once no half is open. */
  replanDue = false;

  constructor(unitId: number, everyMs: number, points: Iterable<number>) {
    this.unitId = unitId;
    this.everyMs = everyMs;
    this.points = new Set(points);
  }

  remove(poll: Poll): void {
    const at = this.polls.indexOf(poll);
    if (at >= 0) this.polls.splice(at, 1);
  }
}
