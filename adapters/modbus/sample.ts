import type { PlacedPoint, RawSample, SampleReport } from '../../mappings/language.ts';
import { decoderOf } from './codec.ts';
import { parsePlace } from './notation.ts';
import type { ModbusSettings } from './settings.ts';
import { isBitTable, type ModbusAddress, showSpan, type Table } from './types.ts';

/** What a sample gives, by table and address; `unit` undefined: it stands for every unit. */
type Given = ReadonlyMap<string, number>;

const keyOf = (unit: number | undefined, table: Table, at: number): string => `${unit ?? '*'} ${table} ${at}`;

/**
 * Turns `given: { holding 100: [0xE979, 0x42F6], coil 4: true }` into raw values by the codec of the wire.
 * `unit 3 holding 100` gives it to one unit only. Points that nothing touches are left out; one touched in part is a finding.
 */
export function modbusSample(
  given: Readonly<Record<string, unknown>>,
  points: readonly PlacedPoint<ModbusAddress>[],
  settings: ModbusSettings,
  report: SampleReport,
): ReadonlyMap<string, RawSample> {
  const { words, owners } = readGiven(given, settings, report);
  const samples = new Map<string, RawSample>();
  for (const { name, address } of points) {
    const units: (number | undefined)[] = [];
    let missing = 0;
    let owner = '';
    for (let at = address.start; at < address.start + address.count; at++) {
      const key = [address.unitId, undefined].map((u) => keyOf(u, address.table, at)).find((k) => words.has(k));
      if (key === undefined) missing++;
      else owner = owners.get(key) ?? owner;
      units.push(key === undefined ? undefined : words.get(key));
    }
    if (missing === address.count) continue;
    if (missing > 0) {
      report(owner, {
        rule: 'sample-incomplete',
        message: `the sample gives ${address.count - missing} of the ${address.count} ${isBitTable(address.table) ? 'bits' : 'registers'} of ${name}, which is ${address.type} at ${showSpan(address.table, address.start, address.count)}`,
        hint: 'Give all of them, or none',
      });
      continue;
    }
    samples.set(name, decode(address, units as number[]));
  }
  return samples;
}

function decode(address: ModbusAddress, units: readonly number[]): RawSample {
  const bits = isBitTable(address.table);
  const bytes = Buffer.alloc(bits ? Math.ceil(units.length / 8) : units.length * 2);
  units.forEach((unit, i) => {
    if (bits) bytes[i >> 3]! |= unit << (i & 7);
    else bytes.writeUInt16BE(unit, i * 2);
  });
  const shown = units.map((unit) => (bits ? String(unit) : `0x${unit.toString(16).toUpperCase().padStart(4, '0')}`)).join(' ');
  const order = bits || address.count === 1 ? '' : ` ${address.byteOrder}`;
  return { raw: decoderOf(address)(bytes, 0), shown: `${showSpan(address.table, address.start)} = ${shown}, ${address.type}${order}` };
}

function readGiven(
  given: Readonly<Record<string, unknown>>,
  settings: ModbusSettings,
  report: SampleReport,
): { words: Given; owners: Map<string, string> } {
  const words = new Map<string, number>();
  const owners = new Map<string, string>();
  for (const [entry, value] of Object.entries(given)) {
    const prefixed = /^unit\s+(\d+)\s+(.*)$/.exec(entry);
    const unit = prefixed ? Number(prefixed[1]) : undefined;
    const { place, finding } = parsePlace(prefixed?.[2] ?? entry, settings.addressing);
    if (!place) {
      if (finding) report(entry, finding);
      continue;
    }
    const list = Array.isArray(value) ? value : [value];
    list.forEach((item, i) => {
      const word = unitValue(item, place.table);
      const key = keyOf(unit, place.table, place.start + i);
      if (word === undefined) {
        const expected = isBitTable(place.table) ? 'true, false, 0 or 1' : 'a register: 0 to 65535, or -32768 to -1';
        report(entry, {
          rule: 'sample-value',
          message: `${JSON.stringify(item) ?? String(item)} is not ${expected}`,
          hint: 'Give registers as they are on the wire: [0xE979, 0x42F6]',
        });
      } else if (words.has(key))
        report(entry, { rule: 'sample-value', message: `${showSpan(place.table, place.start + i)} is given twice` });
      else {
        words.set(key, word);
        owners.set(key, entry);
      }
    });
  }
  return { words, owners };
}

function unitValue(item: unknown, table: Table): number | undefined {
  if (isBitTable(table))
    return item === true || item === 1 || item === 1n ? 1 : item === false || item === 0 || item === 0n ? 0 : undefined;
  const number = typeof item === 'bigint' ? Number(item) : item;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < -32_768 || number > 65_535) return undefined;
  return number & 0xffff;
}
