import { statuses } from '../../model/status.ts';
import type { TelemetryReading } from '../../model/telemetry.ts';
import { jsonOf } from '../exact-value.ts';
import { builtIn } from './types.ts';
import type { Field } from './writer.ts';

/**
 * The JSON of a value (Part 6 §5.4.2, not reversible: the type stands in the metadata): Int64 and UInt64 as text, ByteString as base64.
 * Numbers in a field of text become text.
 */
export function valueJson(value: NonNullable<TelemetryReading['value']>, type: TelemetryReading['type'], field: Field): string {
  if (field.type.builtInType === builtIn.String && typeof value === 'number') return `"${value}"`;
  return jsonOf(value, type, 'text');
}

/** A DataValue; without a value where there is none. */
export function dataValueJson(reading: TelemetryReading, field: Field): string {
  const { value, type, time, received } = reading;
  const valued = value === undefined ? '' : `"Value":${valueJson(value, type, field)},`;
  return `{${valued}${statusJson(reading)}"SourceTimestamp":"${time}","ServerTimestamp":"${received ?? time}"}`;
}

const statusTexts = new Map<string, string>();
/** Names come from machines; more than there are in the standard are not worth keeping. */
const mostTexts = 1000;

/** `"StatusCode":{"Code":2148139008,"Symbol":"BadTimeout"},`; empty for Good. */
function statusJson({ quality = 'good', status, statusCode }: TelemetryReading): string {
  if (quality === 'good' && status === undefined && statusCode === undefined) return '';
  const key = `${quality} ${status ?? ''} ${statusCode ?? ''}`;
  const known = statusTexts.get(key);
  if (known !== undefined) return known;
  const symbol = status ?? symbolOf[quality];
  const text = `"StatusCode":${JSON.stringify({ Code: statusCode ?? codeOf(symbol, quality), Symbol: symbol })},`;
  if (statusTexts.size < mostTexts) statusTexts.set(key, text);
  return text;
}

const symbolOf = { good: 'Good', uncertain: 'Uncertain', bad: 'Bad' } as const;

/** The severity alone where only the machine's own library knows the name. */
function codeOf(name: string, quality: keyof typeof symbolOf): number {
  const named = Object.hasOwn(statuses, name) ? statuses[name as keyof typeof statuses] : statuses[symbolOf[quality]];
  return named.code;
}
