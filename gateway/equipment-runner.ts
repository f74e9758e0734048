import type { Adapter, ConnectContext, Connection } from '../adapters/contract.ts';
import type { CompiledEquipment } from '../mappings/equipment.ts';
import { machineOf } from '../mappings/patterns.ts';
import { NotConnectedError } from '../model/error.ts';
import type { Reading } from '../model/reading.ts';
import type { Captures, SampleBatch, SampleState } from '../model/sample.ts';
import { EquipmentLoop, type LoopState, type SampleSink } from './equipment-loop.ts';
import { Losses } from './losses.ts';
import { Machine, type MachineContext, tellLoss } from './machine.ts';
import { MachinesSeen } from './machines-seen.ts';
import { ownPart, type ShadowTap } from './shadow/tap.ts';

export interface RunnerContext extends MachineContext {
  readonly adapter: Adapter;
  readonly connect: ConnectContext;
  /** Whether a machine that made itself known may have this id; false when another one has it. */
  readonly claim: (id: string) => boolean;
}

/** One piece of equipment at work: its loop, and the machine behind it, or all those that its pattern stands for. */
export class EquipmentRunner {
  readonly #context: RunnerContext;
  #equipment: CompiledEquipment;
  /** By the captures that name it; one without key where the id is no pattern. */
  readonly #machines = new Map<string, { machine: Machine; readonly captures: Captures }>();
  readonly #losses: Losses;
  readonly #loop: EquipmentLoop;
  #tap: ShadowTap | undefined;

  constructor(equipment: CompiledEquipment, context: RunnerContext, before?: EquipmentRunner) {
    this.#context = context;
    this.#equipment = equipment;
    this.#losses = new Losses(equipment.id, (gap) => tellLoss(context, gap));
    this.#derive(before);
    this.#loop = new EquipmentLoop(equipment, context.adapter, context.connect, this.#sink());
  }

  get equipment(): CompiledEquipment {
    return this.#equipment;
  }

  /** Those that run; for a pattern, those that made themselves known. */
  get machines(): readonly Machine[] {
    return Array.from(this.#machines.values(), ({ machine }) => machine);
  }

  start(): void {
    this.#loop.start();
  }

  /** The open way to the machine, for a write beside the observation; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#loop.connection;
  }

  /** Reads every point now, over the open connection, beside what is observed. Rejects with NotConnectedError while there is none. */
  async readNow(signal: AbortSignal): Promise<ReadonlyMap<string, readonly Reading[]>> {
    const { connection } = this.#loop;
    if (!connection) {
      const { reason = 'the connection is not open yet' } = this.#loop.state();
      throw new NotConnectedError('equipment-away', `${this.#equipment.id}: ${reason}`, { retry: 'with-backoff' });
    }
    const seen = new MachinesSeen(this.#equipment, () => ({ add() {}, settle() {}, lost() {} }));
    for (const batch of await connection.read(this.#equipment.points, signal)) seen.accept(batch);
    return new Map(seen.pipelines.map(({ states }) => [states.equipment.id, states.readings()]));
  }

  /** Points changed, the connection did not: the wire stays open. */
  update(equipment: CompiledEquipment): void {
    this.#endShadow('its mapping was changed');
    this.#equipment = equipment;
    this.#derive(this);
    this.#loop.update(equipment, this.#sink());
  }

  /**
   * Lets a shadow run look at every batch from now on, and observes its points too; undefined: no more. The observation begins anew, so that
   * points that never change have a sample to look at; the wire stays open.
   */
  shadow(tap: ShadowTap | undefined): void {
    const observed = this.#tap?.points.length ?? 0;
    this.#tap = tap;
    if (!tap && observed === 0) return;
    const { points } = this.#equipment;
    this.#loop.update(tap ? { ...this.#equipment, points: [...points, ...tap.points] } : this.#equipment, this.#sink());
  }

  #endShadow(reason: string): void {
    const tap = this.#tap;
    this.#tap = undefined;
    tap?.ended(reason);
  }

  /** Called by the gateway's one ticker. */
  tick(nowMono: number, lingerMs: number): void {
    for (const { machine } of this.#machines.values()) machine.tick(nowMono, lingerMs);
    this.#losses.tellIfDue(nowMono);
  }

  state(): LoopState {
    return this.#loop.state();
  }

  /** `leaves` says why it will not come back, as the end of the gateway does not. */
  async stop(leaves?: string): Promise<void> {
    await this.#loop.stop();
    if (leaves !== undefined) this.#endShadow(leaves);
    this.flush();
  }

  /** Gives what was collected to the outbox now. */
  flush(): void {
    for (const { machine } of this.#machines.values()) machine.flush();
    this.#losses.tell();
  }

  /** The machines of the present mapping, going on from those of `before`. */
  #derive(before: EquipmentRunner | undefined): void {
    const old = new Map(before ? before.#machines : []);
    this.#machines.clear();
    if (!this.#equipment.captures) {
      this.#machines.set('', { captures: {}, machine: new Machine(this.#equipment, this.#context, old.get('')?.machine) });
      return;
    }
    for (const { captures, machine } of old.values()) if (Object.keys(captures).length > 0) this.#known(captures, machine);
  }

  #known(captures: Captures, before?: Machine): Machine {
    const machine = new Machine(machineOf(this.#equipment, captures), this.#context, before);
    this.#machines.set(keyOf(this.#equipment, captures), { captures, machine });
    return machine;
  }

  #sink(): SampleSink {
    const plain = this.#machines.get('')?.machine;
    return {
      begin: () => {
        for (const { machine } of this.#machines.values()) machine.begin();
      },
      accept: (batch) => {
        if (!plain) this.#accept(batch);
        else if (this.#tap === undefined) plain.accept(batch);
        else {
          plain.accept(ownPart(batch, plain.equipment.points.length));
          this.#tap.accept(batch);
        }
      },
      linkLost: (state: SampleState) => {
        for (const { machine } of this.#machines.values()) machine.linkLost(state);
      },
    };
  }

  /** A batch of one of several machines; without captures it is about the link to all of them, and there is nothing to say of machines unknown. */
  #accept(batch: SampleBatch): void {
    if (batch.machine === undefined) {
      for (const loss of batch.lost ?? []) this.#losses.note(loss.reason, undefined, loss.count, Date.now());
      batch.acknowledge?.();
      return;
    }
    const machine = this.#machines.get(keyOf(this.#equipment, batch.machine))?.machine ?? this.#meet(batch.machine);
    if (machine) machine.accept(batch);
    else batch.acknowledge?.();
  }

  #meet(captures: Captures): Machine | undefined {
    const { id } = machineOf(this.#equipment, captures);
    if (this.#context.claim(id)) {
      this.#context.connect.log.info({ equipment: id }, 'a machine made itself known');
      const machine = this.#known(captures);
      this.#context.onGrown?.();
      return machine;
    }
    this.#losses.note(`a machine calls itself ${id}, which another one is called already; it is not taken`, undefined, 1, Date.now());
    return undefined;
  }
}

function keyOf({ captures = [] }: CompiledEquipment, values: Captures): string {
  return captures.length === 1 ? (values[captures[0]!] ?? '') : JSON.stringify(captures.map((name) => values[name]));
}
