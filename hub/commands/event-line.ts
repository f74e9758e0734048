import type { StoredEvent } from '../telemetry/reader.ts';

/** So many points stand in the line, after those that are not good. */
const shownPoints = 4;
const shownBad = 3;

interface ShownReading {
  readonly point?: unknown;
  readonly value?: unknown;
  readonly unit?: unknown;
  readonly quality?: unknown;
  readonly status?: unknown;
  readonly reason?: unknown;
}

/** One calm line: `08:00:01 gw-1 cooker-1  3 readings  jacket_temperature=93.2 Cel  motor_current BAD BadTimeout (no answer)`. */
export function eventLine({ device, arrivedMs, event }: StoredEvent): string {
  const ms = typeof event.time === 'string' ? Date.parse(event.time) : arrivedMs;
  const time = new Date(Number.isNaN(ms) ? arrivedMs : ms).toTimeString().slice(0, 8);
  return [time, device, event.subject ?? '-', what(event)].map((part) => plain(String(part))).join('  ');
}

function what(event: Readonly<Record<string, unknown>>): string {
  const data = (typeof event.data === 'object' && event.data !== null ? event.data : {}) as Record<string, unknown>;
  if (event.type === 'dragoman.gap.v1') return `LOST ${data.readings} readings: ${data.reason}`;
  if (!Array.isArray(data.readings)) return JSON.stringify(event.data ?? event.data_base64 ?? null).slice(0, 120);
  const readings = data.readings as readonly ShownReading[];
  const notGood = readings.filter(({ quality }) => quality !== undefined && quality !== 'good');
  const good = readings.filter((reading) => !notGood.includes(reading)).slice(0, shownPoints);
  const count = `${readings.length} ${readings.length === 1 ? 'reading' : 'readings'}`;
  const more = notGood.length > shownBad ? [`and ${notGood.length - shownBad} more not good`] : [];
  return [count, ...notGood.slice(0, shownBad).map(bad), ...more, ...good.map(value)].join('  ');
}

const value = ({ point, value, unit }: ShownReading): string =>
  `${point}=${typeof value === 'string' ? value : JSON.stringify(value)}${unit === undefined || unit === '1' ? '' : ` ${unit}`}`;

const bad = (reading: ShownReading): string => {
  const held = reading.value === undefined ? String(reading.point) : value(reading);
  return `${held} ${String(reading.quality).toUpperCase()} ${reading.status ?? ''}${reading.reason === undefined ? '' : ` (${reading.reason})`}`;
};

/** What a device sent must not steer the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to take out
const plain = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
