import type { CompiledEquipment } from '../mappings/equipment.ts';
import { machineOf } from '../mappings/patterns.ts';
import type { SampleBatch } from '../model/sample.ts';
import type { SampleSink } from './equipment-loop.ts';
import { Pipeline, type ReadingSink } from './pipeline.ts';

/** The pipelines of one piece of equipment, where nothing is kept: one, or for a pattern one for each machine that makes itself known. */
export class MachinesSeen implements SampleSink {
  readonly #equipment: CompiledEquipment;
  readonly #sink: (pipeline: () => Pipeline) => ReadingSink;
  readonly #pipelines = new Map<string, Pipeline>();

  /** `sink` makes what takes the readings of one machine. */
  constructor(equipment: CompiledEquipment, sink: (pipeline: () => Pipeline) => ReadingSink) {
    this.#equipment = equipment;
    this.#sink = sink;
    if (!equipment.captures) this.#add(equipment);
  }

  get pipelines(): readonly Pipeline[] {
    return [...this.#pipelines.values()];
  }

  begin(): void {
    for (const pipeline of this.pipelines) pipeline.begin();
  }

  accept(batch: SampleBatch): void {
    const { captures, id } = this.#equipment;
    if (!captures) this.#pipelines.get(id)!.accept(batch);
    else if (batch.machine) {
      const machine = machineOf(this.#equipment, batch.machine);
      (this.#pipelines.get(machine.id) ?? this.#add(machine)).accept(batch);
    }
  }

  linkLost(state: Parameters<SampleSink['linkLost']>[0]): void {
    for (const pipeline of this.pipelines) pipeline.linkLost(state);
  }

  sweep(): void {
    for (const pipeline of this.pipelines) pipeline.sweep();
  }

  #add(machine: CompiledEquipment): Pipeline {
    const pipeline: Pipeline = new Pipeline(
      machine,
      this.#sink(() => pipeline),
    );
    this.#pipelines.set(machine.id, pipeline);
    return pipeline;
  }
}
