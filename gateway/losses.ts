import type { GapRecord } from './outbox/contract.ts';

/** A storm of losses must not become a storm of events: those of one reason are told together, at most this often. */
const tellEveryMs = 1_000;

interface Loss {
  readonly fromMs: number;
  toMs: number;
  readings: number;
  /** Kept while it is one point alone. */
  point: string | undefined;
}

/** What one machine lost before it reached the gateway and that is not yet told. */
export class Losses {
  readonly #equipment: string;
  readonly #tell: (gap: GapRecord) => void;
  readonly #byReason = new Map<string, Loss>();
  #toldMono = Number.NEGATIVE_INFINITY;

  constructor(equipment: string, tell: (gap: GapRecord) => void) {
    this.#equipment = equipment;
    this.#tell = tell;
  }

  /** `count` is how many readings, where the machine says it. `wallMs` is when it was noticed. */
  note(reason: string, point: string | undefined, count: number | undefined, wallMs: number): void {
    const known = this.#byReason.get(reason);
    if (!known) {
      this.#byReason.set(reason, { fromMs: wallMs, toMs: wallMs, readings: count ?? 0, point });
      return;
    }
    known.toMs = wallMs;
    known.readings += count ?? 0;
    if (known.point !== point) known.point = undefined;
  }

  /** The first loss is told at the next call, what follows it within a second together. */
  tellIfDue(nowMono: number): void {
    if (this.#byReason.size === 0 || nowMono - this.#toldMono < tellEveryMs) return;
    this.#toldMono = nowMono;
    this.tell();
  }

  tell(): void {
    for (const [reason, { fromMs, toMs, readings, point }] of this.#byReason) {
      this.#tell({ fromMs, toMs, readings, reason, equipment: this.#equipment, ...(point === undefined ? {} : { point }) });
    }
    this.#byReason.clear();
  }
}
