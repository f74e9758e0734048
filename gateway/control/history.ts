import type { Value } from '../../model/value.ts';

/** The last write to a point that left the gateway. */
export interface Sent {
  /** Monotonic. */
  readonly mono: number;
  readonly wallMs: number;
  /** What the point may hold since then: one value, or after an unknown outcome the one before as well. */
  readonly values: readonly Value[];
}

/** What was sent to which point last: for rate and step. In memory, seeded from the journal. */
export class SendHistory {
  readonly #sent = new Map<string, Sent>();

  get(equipment: string, point: string): Sent | undefined {
    return this.#sent.get(`${equipment}/${point}`);
  }

  /** Undefined: nothing was sent after all. */
  set(equipment: string, point: string, sent: Sent | undefined): void {
    if (sent) this.#sent.set(`${equipment}/${point}`, sent);
    else this.#sent.delete(`${equipment}/${point}`);
  }

  /** What is known of an earlier run has wall time alone. One that lies ahead (the clock was set back) counts as just now. */
  seed(equipment: string, point: string, wallMs: number, value: Value, nowWallMs: number, nowMono: number): void {
    const known = this.get(equipment, point);
    if (known && known.wallMs > wallMs) return;
    this.set(equipment, point, { mono: nowMono - Math.max(0, nowWallMs - wallMs), wallMs, values: [value] });
  }
}
