import type { TimeFormat } from './address.ts';
import type { Tree } from './contract.ts';
import { numberOf } from './numbers.ts';
import { zonedTime } from './zone.ts';

/** A point in time. One such object is filled again and again. */
export interface Instant {
  timeMs: number;
  /** 100 ns beyond the millisecond, 0 … 9999. */
  ticks: number;
  /** A local time that came twice, in the hour that clocks were set back. */
  doubtful: boolean;
}

/** Fills `out` and says true; false where the node spells no time. */
export type TimeReader = (node: Tree, out: Instant) => boolean;

/** Numbers below this are seconds since 1970 (until the year 5138), others milliseconds (since March 1973), where no format is given. */
const leastAutoMs = 1e11;

const ticksPer = { s: 10_000_000, ms: 10_000, us: 10, ns: 0.01 } as const;

export function timeReader(format: TimeFormat | undefined, zone: string | undefined): TimeReader {
  const kind = format?.kind ?? 'auto';
  const local = (text: string, out: Instant): boolean =>
    format?.kind === 'pattern' ? patternTime(format.pattern, text, zone, out) : isoTime(text, zone, out);
  return (node, out) => {
    out.ticks = 0;
    out.doubtful = false;
    if (typeof node === 'object' && node !== null && 'timeMs' in node) {
      out.timeMs = node.timeMs;
      out.ticks = node.ticks ?? 0;
      return sane(out);
    }
    const text = typeof node === 'string' ? node.trim() : undefined;
    const number = kind === 'iso' || kind === 'pattern' || kind === 'registers' ? undefined : since1970(node, text);
    if (number === undefined)
      return (
        text !== undefined &&
        (kind === 'auto' || kind === 'iso' || kind === 'pattern' || kind === 'registers') &&
        local(text, out) &&
        sane(out)
      );
    const unit =
      kind === 's' || kind === 'ms' || kind === 'us' || kind === 'ns' ? kind : Math.abs(Number(number)) < leastAutoMs ? 's' : 'ms';
    inUnits(number, unit, out);
    return sane(out);
  };
}

function since1970(node: Tree, text: string | undefined): number | bigint | undefined {
  if (typeof node === 'number' || typeof node === 'bigint') return node;
  const number = text === undefined ? (typeof node === 'object' && node !== null && 'decimal' in node ? node : undefined) : numberOf(text);
  return typeof number === 'object' ? Number(number.decimal) : number;
}

function inUnits(number: number | bigint, unit: keyof typeof ticksPer, out: Instant): void {
  if (typeof number === 'number' && (unit === 'ms' || unit === 's') && Number.isInteger(number)) {
    out.timeMs = unit === 's' ? number * 1000 : number;
    return;
  }
  // Nanoseconds and microseconds since 1970 go beyond what a double counts exactly.
  const ticks = typeof number === 'bigint' ? (unit === 'ns' ? number / 100n : number * BigInt(ticksPer[unit])) : wholeTicks(number, unit);
  const rest = ((ticks % 10_000n) + 10_000n) % 10_000n;
  out.timeMs = Number((ticks - rest) / 10_000n);
  out.ticks = Number(rest);
}

/** A fraction of a second is good for microseconds: a double of today's seconds has no more digits. */
function wholeTicks(number: number, unit: keyof typeof ticksPer): bigint {
  if (!Number.isFinite(number) || Math.abs(number) > 1e20) return 10n ** 30n;
  const whole = Math.floor(number);
  const scale = ticksPer[unit];
  const base = unit === 'ns' ? BigInt(whole) / 100n : BigInt(whole) * BigInt(scale);
  return base + BigInt(unit === 's' ? Math.round((number - whole) * 1e6) * 10 : Math.round((number - whole) * scale));
}

function sane(out: Instant): boolean {
  return out.timeMs >= -62_167_219_200_000 && out.timeMs <= 253_402_300_799_999;
}

const iso = /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,12}))?)?)?\s*(Z|z|[+-]\d\d(?::?\d\d)?)?$/;

function isoTime(text: string, zone: string | undefined, out: Instant): boolean {
  const match = text.length <= 64 ? iso.exec(text) : null;
  if (!match) return false;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', offset] = match;
  return assemble([year, month, day, hour, minute, second].map(Number), fraction, offset, zone, out);
}

/** `parts`: year, month, day, hour, minute, second. False where the calendar has no such date. */
function assemble(parts: readonly number[], fraction: string, offset: string | undefined, zone: string | undefined, out: Instant): boolean {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const digits = fraction.padEnd(7, '0').slice(0, 7);
  // ISO 8601 writes the end of a day as 24:00, and a leap second as :60; both are the first moment after.
  if (month < 1 || month > 12 || hour > 24 || minute > 59 || second > 60 || (hour === 24 && minute + second > 0)) return false;
  const start = new Date(0);
  start.setUTCFullYear(year, month - 1, day);
  if (start.getUTCDate() !== day || start.getUTCMonth() !== month - 1) return false;
  const local = start.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 + Number(digits.slice(0, 3));
  out.ticks = Number(digits.slice(3));
  if (offset !== undefined) {
    out.timeMs = local - offsetMs(offset);
    return true;
  }
  if (zone === undefined) {
    out.timeMs = local;
    return true;
  }
  const zoned = zonedTime(local, zone);
  if (!zoned) return false;
  out.timeMs = zoned.timeMs;
  out.doubtful = zoned.twice;
  return true;
}

function offsetMs(offset: string): number {
  if (offset === 'Z' || offset === 'z') return 0;
  const digits = offset.slice(1).replace(':', '').padEnd(4, '0');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return (offset.startsWith('-') ? -minutes : minutes) * 60_000;
}

/** The words of a pattern and how many digits each takes; `S` stands for any number of decimals of a second. */
const fields: Readonly<Record<string, string>> = {
  yyyy: '\\d{4}',
  yy: '\\d\\d',
  MM: '\\d\\d?',
  dd: '\\d\\d?',
  HH: '\\d\\d?',
  mm: '\\d\\d',
  ss: '\\d\\d',
  S: '\\d{1,9}',
};
const order = ['yyyy', 'yy', 'MM', 'dd', 'HH', 'mm', 'ss', 'S'];

interface Pattern {
  readonly expression: RegExp;
  readonly names: readonly string[];
}

const patterns = new Map<string, Pattern | undefined>();

/** Undefined when a pattern has no year, month and day, or a word twice. */
export function timePattern(pattern: string): Pattern | undefined {
  if (patterns.has(pattern)) return patterns.get(pattern);
  const names: string[] = [];
  const source = pattern.replaceAll(/yyyy|yy|MM|dd|HH|mm|ss|S+|[^A-Za-z]|[A-Za-z]+/g, (word) => {
    const name = /^S+$/.test(word) ? 'S' : word;
    if (fields[name] !== undefined) {
      names.push(name);
      return `(${fields[name]})`;
    }
    return /^T$/.test(word) ? word : /^[A-Za-z]+$/.test(word) ? '(?!)' : word.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
  });
  const complete = names.some((name) => name === 'yyyy' || name === 'yy') && names.includes('MM') && names.includes('dd');
  const sound =
    complete && new Set(names).size === names.length && !source.includes('(?!)') && !(names.includes('yy') && names.includes('yyyy'));
  const made = sound ? { expression: new RegExp(`^${source}$`), names } : undefined;
  patterns.set(pattern, made);
  return made;
}

function patternTime(pattern: string, text: string, zone: string | undefined, out: Instant): boolean {
  const known = timePattern(pattern);
  const match = text.length <= 64 ? known?.expression.exec(text) : null;
  if (!known || !match) return false;
  const found = new Map(known.names.map((name, i) => [name, match[i + 1] ?? '0']));
  const number = (name: string): number => Number(found.get(name) ?? 0);
  const year = found.has('yy') ? 2000 + number('yy') : number('yyyy');
  return assemble([year, ...order.slice(2, 7).map(number)], found.get('S') ?? '', undefined, zone, out);
}

/** ISO 8601, with seven decimals where there are 100 ns; undefined outside of the years 0 to 9999. */
export function isoOf(timeMs: number, ticks = 0): string | undefined {
  if (!(timeMs >= -62_167_219_200_000 && timeMs <= 253_402_300_799_999)) return undefined;
  const text = new Date(timeMs).toISOString();
  return ticks === 0 ? text : `${text.slice(0, -1)}${String(ticks).padStart(4, '0')}Z`;
}
