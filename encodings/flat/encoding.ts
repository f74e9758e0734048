import { z } from 'zod';
import { duration } from '../../mappings/keys.ts';
import type { TelemetryEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { Encoder, Encoding, MessageSubject } from '../contract.ts';
import { jsonOf, large } from '../exact-value.ts';
import { sectionsOf } from '../packing/by-kind.ts';
import { pack } from '../packing/pack.ts';
import type { Form, Frame, Section } from '../packing/section.ts';
import { telemetrySubject } from '../subject.ts';

const settings = z.strictObject({
  nested: z.boolean().default(false).describe('true: the values stand in an object of their own, under "values"'),
  prefix: z
    .enum(['none', 'equipment', 'path'])
    .default('none')
    .describe('What stands before the name of a point: nothing, the machine, or its path and the machine'),
  separator: z.string().min(1).max(8).default('.').describe('Between the parts of a name with a prefix'),
  equipment: z.boolean().default(true).describe('Each object says which machine it is of, as "equipment"'),
  time: z
    .enum(['text', 'ms', 'none'])
    .default('text')
    .describe('How "time" is written: text is RFC 3339; ms is milliseconds since 1970, a number; none leaves it out'),
  together: duration({ max: 60_000 })
    .prefault('0ms')
    .describe('Values of different points whose times differ by no more than this share one object, with the newest of their times'),
  bad: z.enum(['omit', 'empty']).default('omit').describe('A point without a usable value is left out (omit), or is null (empty)'),
  large,
});
export type FlatSettings = z.output<typeof settings>;

/** One JSON object for each machine and time: `{ "time": …, "equipment": …, "point": value, … }`; several of them as an array. */
export const flat: Encoding<FlatSettings> = {
  name: 'flat',
  summary: 'Plain JSON objects, point: value, for dashboards',
  drops: [
    'Quality, status and reason: an uncertain value looks like a good one, and a bad one is missing, or null with bad: empty',
    'Units and types',
    'Gateway time, and what `together` evens out of the source times',
    'Records of losses, and the numbers by which a consumer sees that something is missing',
    'Names of messages and their priority, and the path unless it is the prefix',
  ],
  settings,
  open: (chosen) => flatEncoder(chosen),
};

/** One object of the output. */
interface Row {
  time: string;
  readonly firstMs: number;
  readonly readings: TelemetryReading[];
  readonly points: Set<string>;
}

function flatEncoder(chosen: FlatSettings): Encoder {
  const form: Form = {
    open: (_id, sections) => (sections > 1 ? '[' : ''),
    close: (sections) => (sections > 1 ? ']' : ''),
    between: ',',
    retains: chosen.bad === 'empty' && chosen.time !== 'none',
    contentType: () => 'application/json',
  };
  const keys = new Map<string, Map<string, string>>();
  const keysOf = (about: MessageSubject): ((point: string) => string) => {
    const machine = `${about.path}/${about.equipment}`;
    const known = keys.get(machine) ?? new Map<string, string>();
    keys.set(machine, known);
    return (point) => {
      const key = known.get(point) ?? `${JSON.stringify(nameOf(point, about, chosen))}:`;
      known.set(point, key);
      return key;
    };
  };
  const rows = (event: TelemetryEvent): readonly Section[] => {
    const about = telemetrySubject(event);
    const keyOf = keysOf(about);
    return rowsOf(event, chosen).map((row) => sectionOf(row, event, about, keyOf, chosen));
  };
  return { encode: (events, options) => pack(sectionsOf(events, rows), form, options) };
}

/** Readings of one time, each point once. */
function rowsOf(event: TelemetryEvent, { bad, together }: FlatSettings): readonly Row[] {
  const rows: Row[] = [];
  let row: Row | undefined;
  for (const reading of event.data.readings) {
    if (reading.value === undefined && bad === 'omit') continue;
    if (!row || row.points.has(reading.point) || !isTogether(row, reading.time, together)) {
      row = { time: reading.time, firstMs: together > 0 ? Date.parse(reading.time) : 0, readings: [], points: new Set() };
      rows.push(row);
    }
    row.readings.push(reading);
    row.points.add(reading.point);
    if (reading.time > row.time) row.time = reading.time;
  }
  return rows;
}

function isTogether(row: Row, time: string, together: number): boolean {
  if (time === row.time) return true;
  return together > 0 && Math.abs(Date.parse(time) - row.firstMs) <= together;
}

function sectionOf(
  row: Row,
  event: TelemetryEvent,
  about: MessageSubject,
  keyOf: (point: string) => string,
  chosen: FlatSettings,
): Section {
  const { readings } = row;
  const pieces = (): string[] =>
    readings.map(({ point, value, type }) => keyOf(point) + (value === undefined ? 'null' : jsonOf(value, type, chosen.large)));
  const frame = frameOf(row, about, chosen);
  return {
    event,
    about,
    readings,
    separator: ',',
    frameBytes: Buffer.byteLength(frame.head) + frame.tail.length,
    joined: () => pieces().join(','),
    pieces,
    frame: () => frame,
  };
}

function frameOf({ time }: Row, { equipment }: MessageSubject, chosen: FlatSettings): Frame {
  const about: string[] = [];
  if (chosen.time !== 'none') about.push(`"time":${chosen.time === 'ms' ? Date.parse(time) : JSON.stringify(time)}`);
  if (chosen.equipment) about.push(`"equipment":${JSON.stringify(equipment)}`);
  if (chosen.nested) return { head: `{${[...about, '"values":{'].join(',')}`, tail: '}}' };
  return { head: about.length === 0 ? '{' : `{${about.join(',')},`, tail: '}' };
}

/** A point named like a key of the frame gets an underscore, so that neither hides the other. */
function nameOf(point: string, { path, equipment }: MessageSubject, { prefix, separator, nested }: FlatSettings): string {
  if (prefix === 'none') return !nested && /^(time|equipment)_*$/.test(point) ? `${point}_` : point;
  const before = prefix === 'path' ? [...path.split('/').filter(Boolean), equipment] : [equipment];
  return [...before, point].join(separator);
}
