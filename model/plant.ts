import type { Reading } from './reading.ts';
import type { ValueType } from './value.ts';

/** What the gateway knows of its machines now: for births, metadata and models. Never blocks, never waits for a machine. */
export interface Plant {
  machines(): readonly PlantMachine[];
  /** Latest reading of each point that has one, in the order of the points; empty for an unknown machine. */
  latest(equipment: string): readonly Reading[];
  /** Called after machines or points came, went or changed; until disposed. */
  onChange(listener: () => void): Disposable;
}

export interface PlantMachine {
  readonly id: string;
  /** ISA-95 `enterprise/site/area/line[/cell]`; empty when not given. */
  readonly path: string;
  readonly description: string | undefined;
  readonly points: readonly PlantPoint[];
}

export interface PlantPoint {
  readonly name: string;
  /** UCUM code of the value that leaves. */
  readonly unit: string | undefined;
  /** Type of the value that leaves, where the mapping knows it. */
  readonly type: ValueType | undefined;
  readonly description: string | undefined;
}
