import type { Finding } from '../../mappings/language.ts';
import type { Addressing } from './settings.ts';
import { type Table, tables } from './types.ts';

export interface Place {
  readonly table: Table;
  /** Zero-based, as on the wire. */
  readonly start: number;
}

/** What came out of an `at`: a place, a remark, or both. Without a place the finding is an error. */
export interface Parsed {
  readonly place?: Place;
  readonly finding?: Finding;
}

/** First digit of a Modicon number: 0 coils, 1 discrete inputs, 3 input registers, 4 holding registers. */
const modiconTables: Readonly<Record<string, Table>> = { '0': 'coil', '1': 'discrete', '3': 'input', '4': 'holding' };

const refused = (rule: string, message: string, hint?: string): Parsed => ({ finding: { rule, message, ...(hint && { hint }) } });

const howToWrite = 'Write a table and a number: holding 100, input 0x1F, coil 4, discrete 12';

/** Reads `at`. Never guesses: what looks like a Modicon number under another addressing is taken as written, with a warning. */
export function parsePlace(at: string, addressing: Addressing | undefined): Parsed {
  const match = /^(?:([a-z][a-z _-]*?)\s*)?(0x[0-9a-f]+|\d+)$/i.exec(at.trim());
  if (!match) return refused('bad-address', `"${at}" is not a Modbus address`, howToWrite);
  const [, word, digits = ''] = match;
  const table = tables.find((t) => t === word);
  if (word !== undefined && table === undefined) {
    const near = tables.find((t) => word.toLowerCase().startsWith(t.slice(0, 2)));
    return refused('bad-address', `"${word}" is not a Modbus table`, near ? `Did you mean ${near} ${digits}?` : howToWrite);
  }
  if (addressing === 'modicon') return modicon(at, table, digits);
  if (table === undefined) {
    const hint = /^[0134]\d{4,5}$/.test(digits)
      ? `Write the table, or set connection.addressing: modicon to read ${digits} as a Modicon number`
      : howToWrite;
    return refused('bad-address', `"${at}" does not name a table`, hint);
  }
  return plain(table, digits, addressing);
}

function plain(table: Table, digits: string, addressing: Exclude<Addressing, 'modicon'> | undefined): Parsed {
  const number = Number(digits);
  const start = addressing === 'one-based' ? number - 1 : number;
  const other = modiconReading(table, digits);
  const hint =
    other === undefined
      ? undefined
      : `If the manual prints ${digits} for ${table} ${other} (zero-based), set connection.addressing: modicon`;
  if (start < 0) return refused('address-range', `${table} 0 does not exist where addressing is one-based`, 'The first one is 1');
  if (start > 65_535)
    return refused('address-range', `${table} ${digits} is beyond the last address, ${addressing === 'one-based' ? 65_536 : 65_535}`, hint);
  const place = { table, start };
  if (other === undefined || addressing !== undefined) return { place };
  return {
    place,
    finding: {
      rule: 'modicon-number',
      severity: 'warn',
      message: `${table} ${digits} is protocol address ${start}; as a Modicon number it would be ${table} ${other}`,
      hint: `If the manual prints ${digits} for the ${ordinal(other + 1)} ${register(table)}, set connection.addressing: modicon; if ${start} is meant, set connection.addressing: protocol`,
    },
  };
}

/** The zero-based reading of something that looks like a Modicon number of this very table. */
function modiconReading(table: Table, digits: string): number | undefined {
  if (!/^\d{5,6}$/.test(digits) || modiconTables[digits[0]!] !== table) return undefined;
  const number = Number(digits.slice(1));
  return number >= 1 && number <= 65_536 ? number - 1 : undefined;
}

function modicon(at: string, table: Table | undefined, digits: string): Parsed {
  if (!/^\d{5,6}$/.test(digits)) {
    return refused(
      'bad-address',
      `"${at}" is not a Modicon number of five or six digits`,
      'Write 40001 or 400001 for the first holding register, 30001 for the first input register',
    );
  }
  const named = modiconTables[digits[0]!];
  if (named === undefined) return refused('bad-address', `${digits} begins with ${digits[0]}: Modicon numbers begin with 0, 1, 3 or 4`);
  if (table !== undefined && table !== named) {
    return refused(
      'bad-address',
      `${digits} is a number of the table ${named}, not ${table}`,
      `Write ${named} ${digits}, or the ${table} number`,
    );
  }
  const number = Number(digits.slice(1));
  if (number < 1 || number > 65_536)
    return refused(
      'address-range',
      `${digits} is outside its table: the numbers run from ${digits[0]}${digits.length === 5 ? '0001' : '00001'}`,
    );
  return { place: { table: named, start: number - 1 } };
}

function register(table: Table): string {
  return { coil: 'coil', discrete: 'discrete input', input: 'input register', holding: 'holding register' }[table];
}

function ordinal(n: number): string {
  const suffix = n % 100 >= 11 && n % 100 <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return n === 1 ? 'first' : `${n}${suffix}`;
}
