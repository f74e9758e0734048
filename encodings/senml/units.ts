/**
 * UCUM codes and the names of the same units in the SenML registry (RFC 8428 §12.1, RFC 8798 §2).
 * Nothing is converted: a unit that the registry has only in another size is not in this table.
 */
const primary: Readonly<Record<string, string>> = {
  m: 'm',
  kg: 'kg',
  g: 'g',
  s: 's',
  A: 'A',
  K: 'K',
  cd: 'cd',
  mol: 'mol',
  Hz: 'Hz',
  rad: 'rad',
  sr: 'sr',
  N: 'N',
  Pa: 'Pa',
  J: 'J',
  W: 'W',
  C: 'C',
  V: 'V',
  F: 'F',
  Ohm: 'Ohm',
  S: 'S',
  Wb: 'Wb',
  T: 'T',
  H: 'H',
  Cel: 'Cel',
  lm: 'lm',
  lx: 'lx',
  Bq: 'Bq',
  Gy: 'Gy',
  Sv: 'Sv',
  kat: 'kat',
  m2: 'm2',
  m3: 'm3',
  l: 'l',
  L: 'l',
  'm/s': 'm/s',
  'm/s2': 'm/s2',
  'm3/s': 'm3/s',
  'l/s': 'l/s',
  'L/s': 'l/s',
  'W/m2': 'W/m2',
  'cd/m2': 'cd/m2',
  bit: 'bit',
  'bit/s': 'bit/s',
  '[pH]': 'pH',
  dB: 'dB',
  '1': '/',
  '%': '%',
  '/s': '1/s',
  '1/s': '1/s',
  '/min': '1/min',
  '1/min': '1/min',
  '{rot}/min': '1/min',
  'S/m': 'S/m',
  By: 'B',
  'V.A': 'VA',
  'V.A.s': 'VAs',
  'J/m': 'J/m',
  'kg/m3': 'kg/m3',
  deg: 'deg',
};

/** RFC 8798 §3. A pack that uses them says so in its version (RFC 9100 §4). */
const secondary: Readonly<Record<string, string>> = {
  ms: 'ms',
  min: 'min',
  h: 'h',
  MHz: 'MHz',
  kW: 'kW',
  'kV.A': 'kVA',
  'A.h': 'Ah',
  'W.h': 'Wh',
  'kW.h': 'kWh',
  'kV.A.h': 'kVAh',
  'W.h/km': 'Wh/km',
  KiBy: 'KiB',
  GBy: 'GB',
  'Mbit/s': 'Mbit/s',
  'By/s': 'B/s',
  'MBy/s': 'MB/s',
  mV: 'mV',
  mA: 'mA',
  'ug/m3': 'ug/m3',
  'mm/h': 'mm/h',
  'm/h': 'm/h',
  '[ppm]': 'ppm',
  hPa: 'hPa',
  mm: 'mm',
  cm: 'cm',
  km: 'km',
  'km/h': 'km/h',
};

export const unitChoices = ['primary', 'secondary', 'ucum'] as const;
export type UnitChoice = (typeof unitChoices)[number];

/** The name of a unit in a pack; undefined when the choice has none for it. */
export function senmlUnit(ucum: string, choice: UnitChoice): string | undefined {
  if (Object.hasOwn(primary, ucum)) return primary[ucum];
  if (choice === 'primary') return undefined;
  if (Object.hasOwn(secondary, ucum)) return secondary[ucum];
  return choice === 'ucum' ? ucum : undefined;
}
