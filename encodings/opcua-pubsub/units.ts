/** Namespace of the unit ids below (Part 8 §5.6.3.3). */
export const unitsNamespace = 'http://www.opcfoundation.org/UA/units/un/cefact';

/** UCUM codes and the UNECE Recommendation 20 codes of the same units. */
const codes: Readonly<Record<string, string>> = {
  Cel: 'CEL',
  '[degF]': 'FAH',
  K: 'KEL',
  '%': 'P1',
  '1': 'C62',
  A: 'AMP',
  mA: '4K',
  V: 'VLT',
  mV: '2Z',
  kV: 'KVT',
  Ohm: 'OHM',
  W: 'WTT',
  kW: 'KWT',
  MW: 'MAW',
  'W.h': 'WHR',
  'kW.h': 'KWH',
  'MW.h': 'MWH',
  'V.A': 'D46',
  'kV.A': 'KVA',
  J: 'JOU',
  kJ: 'KJO',
  Hz: 'HTZ',
  kHz: 'KHZ',
  Pa: 'PAL',
  kPa: 'KPA',
  MPa: 'MPA',
  hPa: 'A97',
  bar: 'BAR',
  mbar: 'MBR',
  'm3/h': 'MQH',
  m3: 'MTQ',
  L: 'LTR',
  l: 'LTR',
  'L/min': 'L2',
  'l/min': 'L2',
  '{rot}/min': 'RPM',
  s: 'SEC',
  ms: 'C26',
  min: 'MIN',
  h: 'HUR',
  d: 'DAY',
  mm: 'MMT',
  cm: 'CMT',
  m: 'MTR',
  km: 'KMT',
  'm/s': 'MTS',
  'mm/s': 'C16',
  g: 'GRM',
  kg: 'KGM',
  t: 'TNE',
  'kg/h': 'E93',
  N: 'NEW',
  'N.m': 'NU',
  deg: 'DD',
  rad: 'C81',
  lx: 'LUX',
  dB: '2N',
};

/** EUInformation (Part 8 §5.6.3.3). `UnitId` is -1 where the unit has no code in the table; the UCUM text stands in the name either way. */
export interface EngineeringUnit {
  readonly NamespaceUri: string;
  readonly UnitId: number;
  readonly DisplayName: { readonly Text: string };
}

export function engineeringUnit(ucum: string): EngineeringUnit {
  const code = Object.hasOwn(codes, ucum) ? codes[ucum] : undefined;
  return {
    NamespaceUri: code === undefined ? 'http://unitsofmeasure.org' : unitsNamespace,
    UnitId: code === undefined ? -1 : unitId(code),
    DisplayName: { Text: ucum },
  };
}

/** The characters of the code as one number: `CEL` is 0x43454C. */
function unitId(code: string): number {
  return [...code].reduce((id, character) => id * 256 + character.charCodeAt(0), 0);
}
