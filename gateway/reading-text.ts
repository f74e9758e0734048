import type { Quality } from '../model/quality.ts';
import type { SampleState } from '../model/sample.ts';
import type { Scalar, Value, ValueType } from '../model/value.ts';
import { isoTime, isoTimeTicks } from './iso-time.ts';

/** The parts of a reading's JSON that never change, made once for each point. */
export interface ReadingShape {
  readonly prefix: string;
  /** `prefix` and the key of the value. */
  readonly valued: string;
  readonly unit: string;
}

export function readingShape(point: string, unit: string | undefined): ReadingShape {
  const prefix = `{"point":${JSON.stringify(point)}`;
  return { prefix, valued: `${prefix},"value":`, unit: unit === undefined ? '' : `,"unit":${JSON.stringify(unit)}` };
}

/** What changes from reading to reading. */
export interface ReadingParts {
  readonly value: Value | undefined;
  readonly type: ValueType | undefined;
  readonly quality: Quality;
  readonly state: SampleState | undefined;
  readonly sourceMs: number;
  readonly sourceTicks: number;
  readonly receivedMs: number;
  /** Source time of the last good value, written with a bad reading; NaN when there never was one. */
  readonly lastGoodMs: number;
}

/**
 * One element of `data.readings` as in the canonical message: good quality and Good status are left out,
 * `received` (gateway time) only where it differs from the source time.
 * Built by hand because JSON.stringify of an object for each reading costs more than the rest of the pipeline.
 */
export function readingText(shape: ReadingShape, parts: ReadingParts): string {
  let text = shape.prefix;
  if (parts.value !== undefined) text += `,"value":${valueText(parts.value)}${shape.unit}`;
  if (parts.type !== undefined && parts.value !== undefined) text += `,"type":"${parts.type}"`;
  if (parts.quality !== 'good') text += `,"quality":"${parts.quality}"`;
  if (parts.state !== undefined) text += stateText(parts.state);
  if (parts.quality === 'bad' && !Number.isNaN(parts.lastGoodMs)) text += `,"lastGood":"${isoTime(parts.lastGoodMs)}"`;
  text += parts.sourceTicks === 0 ? `,"time":"${isoTime(parts.sourceMs)}"` : `,"time":"${isoTimeTicks(parts.sourceMs, parts.sourceTicks)}"`;
  if (parts.receivedMs !== parts.sourceMs) text += `,"received":"${isoTime(parts.receivedMs)}"`;
  return `${text}}`;
}

/** `readingText` for a good number whose source has no clock of its own: nearly all readings, so it is put together from few pieces. */
export function plainReadingText(shape: ReadingShape, value: number, ms: number): string {
  return shape.valued + value + shape.unit + plainEnd(ms);
}

let endMs = Number.NaN;
let endText = '';

function plainEnd(ms: number): string {
  if (ms !== endMs) {
    endText = `,"time":"${isoTime(ms)}"}`;
    endMs = ms;
  }
  return endText;
}

function stateText(state: SampleState): string {
  const { name, code } = state.status;
  // A code says more than its name when it has info bits, or when nobody named it.
  const numeric = (code & 0xffff) !== 0 || name.startsWith('0x') ? `,"statusCode":${code}` : '';
  const status = code === 0 ? '' : `,"status":${JSON.stringify(name)}`;
  return `${status}${numeric}${state.reason === undefined ? '' : `,"reason":${JSON.stringify(state.reason)}`}`;
}

/** 64-bit integers and decimals leave as strings: a double in the consumer would round them. */
export function valueText(value: Value): string {
  switch (typeof value) {
    case 'number':
    case 'boolean':
      return String(value);
    case 'bigint':
      return `"${value}"`;
    case 'string':
      return JSON.stringify(value);
    default:
      return `[${(value as readonly Scalar[]).map(valueText).join(',')}]`;
  }
}
