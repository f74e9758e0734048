import { placeholdersOf } from '../../mappings/patterns.ts';
import type { Appearance, Captures } from '../../model/sample.ts';

/** Bounds on what makes itself known. */
export interface Bounds {
  readonly maxPoints: number;
  readonly maxEquipment: number;
}

/** A machine that a message was about; `captures` undefined: the equipment itself. */
export interface Machine {
  readonly captures: Captures | undefined;
  /** Key of what appeared to its place among the points of this machine. */
  readonly appeared: Map<string, number>;
  /** Plain points that have had a sample. */
  readonly heard: Set<number>;
  readonly sinceMono: number;
  /** Its plain points without a sample have been told. */
  told: boolean;
}

/** A point as one machine and one set of captures makes it. */
export interface Target {
  readonly machine: Machine;
  /** Place among the observed points. */
  readonly observed: number;
  /** Of a pattern: what fills its name. */
  readonly name: Captures | undefined;
  /** Place in batches; -1: it did not appear yet. */
  index: number;
  /** It had a sample. */
  heard: boolean;
}

/** Names that did not find room and were told; beyond that many, silently counted. */
const maxTold = 1_000;

/**
 * Who and what made itself known within one `observe`. Captures that a point's name uses name the point, the others the machine.
 * Everything is bounded; what finds no room is told once a name.
 */
export class Machines {
  readonly #bounds: Bounds;
  readonly #observed: number;
  readonly #patterns: readonly (readonly string[])[];
  readonly #byKey = new Map<string, Machine>();
  readonly #told = new Set<string>();
  readonly #untold: Machine[] = [];
  readonly #clock: () => number;
  /** For the next batch: what found no room. */
  readonly refusals: string[] = [];
  refused = 0;

  constructor(names: readonly string[], bounds: Bounds, clock: () => number = () => performance.now()) {
    this.#bounds = bounds;
    this.#observed = names.length;
    this.#patterns = names.map(placeholdersOf);
    this.#clock = clock;
  }

  /** Those of whose points it was not told yet which had no sample; the longest known first. */
  get untold(): readonly Machine[] {
    return this.#untold;
  }

  isPattern(point: number): boolean {
    return this.#patterns[point]!.length > 0;
  }

  /** The machine itself, which is there before any message. */
  itself(): Machine {
    return this.#machine('', undefined)!;
  }

  /** The first of `untold` is told now. */
  tell(): Machine | undefined {
    const machine = this.#untold.shift();
    if (machine) machine.told = true;
    return machine;
  }

  /** Undefined: no room for this machine. */
  target(point: number, captures: Captures): Target | undefined {
    const inName = this.#patterns[point]!;
    const rest: Record<string, string> = {};
    let key = '';
    // Sorted: two topics may name the same placeholders in another order.
    for (const name of Object.keys(captures).sort()) {
      if (inName.includes(name)) continue;
      rest[name] = captures[name]!;
      key += `${name}\0${captures[name]}\0`;
    }
    const machine = this.#machine(key, key === '' ? undefined : rest);
    if (!machine) return undefined;
    const name = inName.length === 0 ? undefined : Object.fromEntries(inName.map((each) => [each, captures[each] ?? '']));
    return { machine, observed: point, name, index: name === undefined ? point : -1, heard: false };
  }

  /** Gives the place of a target in batches, and calls `say` when it appears with this; -1: no room. */
  place(target: Target, say: (appearance: Appearance) => void): number {
    if (target.index >= 0) {
      if (!target.heard) {
        target.heard = true;
        if (target.name === undefined) target.machine.heard.add(target.observed);
      }
      return target.index;
    }
    const { machine, observed, name } = target;
    const key = `${observed}\0${Object.values(name!).join('\0')}`;
    const known = machine.appeared.get(key);
    if (known !== undefined) {
      target.index = known;
      return known;
    }
    if (machine.appeared.size >= this.#bounds.maxPoints) {
      this.#refuse(
        `${machineKey(machine)}${key}`,
        `no room for the point ${shown(name!)}${of(machine)}: maxPoints is ${this.#bounds.maxPoints}`,
      );
      return -1;
    }
    target.index = this.#observed + machine.appeared.size;
    machine.appeared.set(key, target.index);
    say({ pattern: observed, captures: name! });
    return target.index;
  }

  #machine(key: string, captures: Captures | undefined): Machine | undefined {
    const known = this.#byKey.get(key);
    if (known) return known;
    const others = this.#byKey.size - (this.#byKey.has('') ? 1 : 0);
    if (captures && others >= this.#bounds.maxEquipment) {
      this.#refuse(key, `no room for the machine ${shown(captures)}: maxEquipment is ${this.#bounds.maxEquipment}`);
      return undefined;
    }
    const machine: Machine = { captures, appeared: new Map(), heard: new Set(), sinceMono: this.#clock(), told: false };
    this.#byKey.set(key, machine);
    this.#untold.push(machine);
    return machine;
  }

  #refuse(key: string, reason: string): void {
    this.refused++;
    if (this.#told.has(key) || this.#told.size >= maxTold) return;
    this.#told.add(key);
    this.refusals.push(reason);
  }
}

const shown = (captures: Captures): string =>
  Object.entries(captures)
    .map(([name, value]) => `{${name}} = "${value.slice(0, 64)}"`)
    .join(', ');

const of = ({ captures }: Machine): string => (captures ? ` of ${shown(captures)}` : '');
const machineKey = ({ captures }: Machine): string => (captures ? `${JSON.stringify(captures)}\0` : '');
