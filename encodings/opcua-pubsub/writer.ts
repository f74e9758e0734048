import type { PlantMachine, PlantPoint } from '../../model/plant.ts';
import type { TelemetryReading } from '../../model/telemetry.ts';
import type { ValueType } from '../../model/value.ts';
import { builtIn, type FieldType, fieldType } from './types.ts';

/** One field of a data set. */
export interface Field {
  readonly name: string;
  /** `"name":` */
  readonly key: string;
  readonly description: string | undefined;
  /** UCUM. */
  readonly unit: string | undefined;
  readonly type: FieldType;
  /** The mapping does not know the type and the values were of several: the type stays Variant. */
  readonly mixed?: boolean;
}

/** Seconds since 2000 (Part 4 §7.43): when fields were last taken away or changed their type, and when anything of them changed. */
export interface ConfigurationVersion {
  readonly MajorVersion: number;
  readonly MinorVersion: number;
}

/** One message of one machine: number, fields, and what went out of it in this session. */
export class DataSetWriter {
  readonly id: number;
  readonly name: string;
  readonly equipment: string;
  /** All points of the machine are fields from the start; otherwise those that were seen. */
  readonly #wholeMachine: boolean;
  #fields = new Map<string, Field>();
  #version: ConfigurationVersion = { MajorVersion: 0, MinorVersion: 0 };
  #plantVersion = -1;
  #sequence = 0;
  /** Changes since the last description. */
  #changed = true;
  #incompatible = true;

  constructor(id: number, name: string, equipment: string, wholeMachine: boolean) {
    this.id = id;
    this.name = name;
    this.equipment = equipment;
    this.#wholeMachine = wholeMachine;
  }

  get fields(): ReadonlyMap<string, Field> {
    return this.#fields;
  }

  get version(): ConfigurationVersion {
    return this.#version;
  }

  /** UInt32, from 1 in each session. */
  nextSequenceNumber(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  /** Takes over what the plant says, when it says something new. */
  follow(machine: PlantMachine | undefined, plantVersion: number): void {
    if (plantVersion === this.#plantVersion) return;
    this.#plantVersion = plantVersion;
    const points = new Map(machine?.points.map((point) => [point.name, point]));
    const before = this.#fields;
    const names = this.#wholeMachine ? points.keys() : [...before.keys()].filter((name) => points.has(name));
    this.#fields = new Map();
    for (const name of names) this.#set(fieldOf(points.get(name)!, before.get(name)), before.get(name));
    for (const name of before.keys()) if (!this.#fields.has(name)) this.#incompatible = true;
  }

  /** Makes sure that a reading has a field of its type. */
  admit(reading: TelemetryReading, point: PlantPoint | undefined): void {
    const field = this.#fields.get(reading.point);
    const next = field ? grown(field, reading, point?.type) : fieldOf(point ?? { name: reading.point }, undefined, reading);
    if (next !== field) this.#set(next, field);
  }

  #set(field: Field, before: Field | undefined): void {
    this.#fields.set(field.name, field);
    const sameType = before?.type.builtInType === field.type.builtInType && before.type.valueRank === field.type.valueRank;
    if (before && !sameType) this.#incompatible = true;
    if (!sameType || before?.unit !== field.unit || before.description !== field.description) this.#changed = true;
  }

  /** Whether something changed since the last call; then `version` is a new one, and a description is due. */
  renew(timeMs: number): boolean {
    if (!this.#changed && !this.#incompatible) return false;
    const time = Math.max(this.#version.MinorVersion + 1, versionTime(timeMs));
    this.#version = { MajorVersion: this.#incompatible ? time : this.#version.MajorVersion, MinorVersion: time };
    this.#changed = false;
    this.#incompatible = false;
    return true;
  }
}

type PointFacts = Pick<PlantPoint, 'name'> & Partial<PlantPoint>;

function fieldOf(point: PointFacts, before: Field | undefined, reading?: TelemetryReading): Field {
  const { name, description, unit } = point;
  const said = fieldType(point.type, reading);
  // What the values were stays true where the mapping says nothing, and it never says whether they are arrays.
  const type = before
    ? { builtInType: point.type === undefined ? before.type.builtInType : said.builtInType, valueRank: before.type.valueRank }
    : said;
  const field = { name, key: `${JSON.stringify(name)}:`, description, unit: unit ?? reading?.unit ?? before?.unit, type };
  return before?.mixed && point.type === undefined ? { ...field, mixed: true } : field;
}

/** The same field where the reading fits it. */
function grown(field: Field, reading: TelemetryReading, known: ValueType | undefined): Field {
  if (reading.value === undefined || field.mixed) return field;
  const { builtInType, valueRank } = fieldType(known, reading);
  if (builtInType === field.type.builtInType && valueRank === field.type.valueRank) return field;
  if (known !== undefined || field.type.builtInType === builtIn.Variant) return { ...field, type: { builtInType, valueRank } };
  return { ...field, type: { builtInType: builtIn.Variant, valueRank }, mixed: true };
}

const year2000 = Date.UTC(2000, 0, 1);

function versionTime(timeMs: number): number {
  return Math.max(1, Math.floor((timeMs - year2000) / 1000) >>> 0);
}

/** Numbers of writers: made from the name, so that a restart or a new machine changes none; where two names meet, the later gets the next free one. */
export class WriterIds {
  readonly #taken = new Set<number>();

  of(name: string): number {
    let id = (fnv1a(name) % 65_535) + 1;
    while (this.#taken.has(id) && this.#taken.size < 65_535) id = (id % 65_535) + 1;
    this.#taken.add(id);
    return id;
  }
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
