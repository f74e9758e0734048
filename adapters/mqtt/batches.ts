import type { Appearance, Loss, SampleBatch, SampleState } from '../../model/sample.ts';
import type { RawValue, ValueType } from '../../model/value.ts';
import type { Machine, Machines, Target } from './machines.ts';

/** The samples of one machine while they are gathered, column by column. */
interface Gathered {
  readonly points: number[];
  readonly values: (RawValue | undefined)[];
  readonly states: (SampleState | undefined)[];
  readonly sourceTimesMs: number[];
  readonly sourceTicks: number[];
  readonly types: (ValueType | undefined)[];
  readonly appeared: Appearance[];
}

/** Gathers what messages say into one batch for each machine, in the order in which it came. */
export class Batches {
  readonly #machines: Machines;
  readonly #gathered = new Map<Machine, Gathered>();
  readonly #losses: Loss[] = [];

  constructor(machines: Machines) {
    this.#machines = machines;
  }

  add(
    target: Target,
    value: RawValue | undefined,
    state: SampleState | undefined,
    type: ValueType | undefined,
    sourceTimeMs: number,
    sourceTicks = 0,
  ): void {
    let gathered = this.#gathered.get(target.machine);
    const appeared = gathered?.appeared ?? [];
    const index = this.#machines.place(target, (appearance) => appeared.push(appearance));
    if (index < 0) return;
    if (!gathered) {
      gathered = { points: [], values: [], states: [], sourceTimesMs: [], sourceTicks: [], types: [], appeared };
      this.#gathered.set(target.machine, gathered);
    }
    gathered.points.push(index);
    gathered.values.push(value);
    gathered.states.push(state);
    gathered.sourceTimesMs.push(sourceTimeMs);
    gathered.sourceTicks.push(sourceTicks);
    gathered.types.push(type);
  }

  lose(reason: string, count?: number): void {
    this.#losses.push({ reason, ...(count !== undefined && { count }) });
  }

  get hasSome(): boolean {
    return this.#gathered.size > 0 || this.#losses.length > 0;
  }

  /** What was gathered since the last call; empty when nothing was. Losses travel with the batch of the equipment itself. */
  finish(receivedMs: number): SampleBatch[] {
    for (const reason of this.#machines.refusals.splice(0)) this.lose(reason);
    let lost = this.#losses.splice(0);
    const batches = [...this.#gathered].map(([{ captures }, { appeared, ...columns }]): SampleBatch => {
      const batch = { receivedMs, ...columns, ...(captures && { machine: captures }), ...(appeared.length > 0 && { appeared }) };
      if (captures || lost.length === 0) return batch;
      const own = { ...batch, lost };
      lost = [];
      return own;
    });
    this.#gathered.clear();
    if (lost.length > 0) batches.unshift({ receivedMs, points: [], values: [], lost });
    return batches;
  }
}
