import type { Plant, PlantMachine } from '../model/plant.ts';
import type { Machine } from './machine.ts';

/** The machines that run, as hub clients and encodings see them. */
export class RunningPlant implements Plant {
  readonly #machines: () => readonly Machine[];
  readonly #listeners = new Set<() => void>();
  #told = false;

  constructor(machines: () => readonly Machine[]) {
    this.#machines = machines;
  }

  machines(): readonly PlantMachine[] {
    return this.#machines().map(({ equipment: { id, path, description }, points }) => ({
      id,
      path,
      description,
      points: points.map(({ name, unit, valueType, description: text }) => ({ name, unit, type: valueType, description: text })),
    }));
  }

  latest(equipment: string): ReturnType<Machine['readings']> {
    return (
      this.#machines()
        .find((machine) => machine.equipment.id === equipment)
        ?.readings() ?? []
    );
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Many changes of one turn are told once. */
  changed(): void {
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
