import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { linearMap } from './linear.ts';
import { atoms, mistakes } from './unit-table.ts';
import { conversion, likelyUnit, parseUnit } from './units.ts';

function convert(value: number, from: string, to: string): number | undefined {
  const [a, b] = [parseUnit(from), parseUnit(to)];
  const linear = a && b && conversion(a, b);
  return linear && linearMap(linear, undefined).number(value);
}

test.for([
  [98.6, '[degF]', 'Cel', 37],
  [212, '[degF]', 'Cel', 100],
  [-40, 'Cel', '[degF]', -40],
  [20.5, 'Cel', 'K', 293.65],
  [0.1, 'bar', 'mbar', 100],
  [1013.25, 'mbar', 'kPa', 101.325],
  [1.1, 'bar', 'Pa', 110000],
  [2.5, 'MPa', 'bar', 25],
  [100, '[psi]', 'bar', 6.894757293168361],
  [1, 'kW.h', 'MJ', 3.6],
  [7200, 'kJ', 'kW.h', 2],
  [1.7, 'MW.h', 'kW.h', 1700],
  [12.7, 'mm', '[in_i]', 0.5],
  [3, '[ft_i]', 'm', 0.9144],
  [10, '[lb_av]', 'kg', 4.5359237],
  [1.2, 't', 'kg', 1200],
  [90, 'L/min', 'm3/h', 5.4],
  [3.6, 'm3/h', 'L/s', 1],
  [1, '[gal_us]/min', 'L/min', 3.785411784],
  [1.5, 'h', 'min', 90],
  [2, 'd', 's', 172800],
  [1500, '{rot}/min', '/s', 25],
  [0.35, '1', '%', 35],
  [4.2, 'mA', 'A', 0.0042],
  [11, 'kV', 'V', 11000],
  [2.4, 'GHz', 'MHz', 2400],
  [1, 'kN.m', 'N.m', 1000],
  [1, '[HP]', 'W', 745.6998715822702],
  [1, 'kg/m3', 'g/L', 1],
  [36, 'km/h', 'm/s', 10],
  [1, 'uS/cm', 'S/m', 0.0001],
  [180, 'deg', 'rad', Math.PI],
  [1, 'mm[H2O]', 'Pa', 9.80665],
  [5, '10*3/h', '/h', 5000],
  [1, 'J/(kg.K)', 'kJ/(t.K)', 1],
] as const)('%d %s is %s: %d', ([value, from, to, result]) => {
  expect(convert(value, from, to)).toBe(result);
});

test.for<[string, string]>([
  ['Cel', 'bar'],
  ['kW', 'kW.h'],
  ['m3', 'm3/h'],
  ['N.m', 'N'],
  ['dB', '1'],
])('%s does not become %s', ([from, to]) => {
  expect(parseUnit(from)).toBeDefined();
  expect(parseUnit(to)).toBeDefined();
  expect(convert(1, from, to)).toBeUndefined();
});

describe('codes that are none', () => {
  test.for([
    '',
    ' ',
    'kWh',
    '°C',
    'foo',
    'm/',
    '/',
    'm..s',
    'k',
    '(m',
    'm)',
    '{',
    'kbar2x',
    'constructor',
    '__proto__',
    'toString',
    'k%',
    '0',
    'm³',
  ])('%j', (code) => {
    expect(parseUnit(code)).toBeUndefined();
  });
});

test('every unit of the table is understood, and every mistake leads to one', () => {
  expect(Object.keys(atoms).filter((code) => !parseUnit(code))).toEqual([]);
  expect(Object.entries(mistakes).filter(([, code]) => !parseUnit(code))).toEqual([]);
});

test.for<[string, string]>([
  ['kWh', 'kW.h'],
  ['KPA', 'kPa'],
  ['Bar', 'bar'],
  ['kW.H', 'kW.h'],
  ['m3/hh', 'm3/h'],
  ['RPM', '{rot}/min'],
])('%s: did you mean %s?', ([code, meant]) => {
  expect(likelyUnit(code)).toBe(meant);
});

test('nothing that is written makes it throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'kmWh./{}[]()^*-0123degF') })),
      (code) => void [parseUnit(code), likelyUnit(code)],
    ),
    {
      numRuns: 2_000,
    },
  );
});
