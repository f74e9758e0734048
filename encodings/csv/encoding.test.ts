import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { titled } from '../../test/support/capabilities.ts';
import type { EncodedMessage } from '../contract.ts';
import { anyEvents, anyGrain } from '../testcases/arbitrary.ts';
import { csvRows, pythonHere, textOf } from '../testcases/decode.ts';
import { everyKind, gap, noon, sampleContext, sampleEvents, telemetry } from '../testcases/sample.ts';
import { csv } from './encoding.ts';

const encode = (settings: object = {}, events = sampleEvents): readonly EncodedMessage[] =>
  csv.open(csv.settings.parse(settings), sampleContext()).encode(events, { grain: 'batch', maxBodyBytes: 250_000 });
const rows = (settings: object, readings = everyKind): string[][] => {
  const text = textOf(encode(settings, [telemetry(1, readings)])[0]!);
  return text
    .split('\r\n')
    .slice(0, -1)
    .map((line) => line.split(','));
};

describe.skipIf(!pythonHere.ok)(titled("read by Python's csv module", pythonHere), () => {
  test('every kind of value, text with separators and quotes, and a loss', () => {
    const [[header, ...read]] = csvRows(encode()) as [string[][]];
    expect(header).toEqual(['time', 'equipment', 'point', 'value', 'unit', 'quality', 'status', 'reason']);
    expect(read.map((row) => row.slice(2, 7))).toEqual([
      ['jacket_temperature', '93.2', 'Cel', 'good', 'Good'],
      ['motor_current', '', '', 'bad', 'BadTimeout'],
      ['state', 'running, "hot"', '', 'good', 'Good'],
      ['overheat', 'false', '', 'good', 'Good'],
      ['batch_id', '18446744073709551615', '', 'good', 'Good'],
      ['energy', '90071992547409.93', 'kW.h', 'good', 'Good'],
      ['serial_block', '/+8=', '', 'good', 'Good'],
      ['started', '2026-11-24T06:30:00Z', '', 'good', 'Good'],
      ['profile', '[20,-5,60]', 'Cel', 'good', 'Good'],
      ['jacket_temperature', '181.5', 'Cel', 'uncertain', 'UncertainEngineeringUnitsExceeded'],
      ['speed', '-1', '{rot}/min', 'good', 'Good'],
      ['', '', '', 'bad', 'BadDataLost'],
    ]);
    expect(read.at(-1)?.[7]).toBe('412 readings lost from 2026-11-24T07:59:00.000Z to 2026-11-24T08:00:00.000Z: outbox full');
  });

  test('a spreadsheet of a country with a decimal comma', () => {
    const settings = { separator: 'semicolon', decimal: 'comma', columns: ['point', 'value'], lines: 'lf' };
    const [read] = csvRows(encode(settings), ';');
    expect(read?.slice(0, 2)).toEqual([
      ['point', 'value'],
      ['jacket_temperature', '93,2'],
    ]);
    expect(read?.[6]).toEqual(['energy', '90071992547409,93']);
  });

  test('line ends, quotes and separators inside of text', () => {
    const odd = ['a\r\nb', '"', '""', ',', ';\t', '', ' x ', '\n', 'ä€😀'];
    const readings = odd.map((value) => ({ point: 'p', value, time: noon }));
    for (const [word, separator] of [
      ['comma', ','],
      ['semicolon', ';'],
      ['tab', '\t'],
    ] as const) {
      const [read] = csvRows(encode({ separator: word, columns: ['value', 'point'], header: false }, [telemetry(1, readings)]), separator);
      expect(read?.map(([value]) => value)).toEqual(odd);
    }
  });
});

test('csv-parse reads back what any events held', () => {
  fc.assert(
    fc.property(anyEvents, anyGrain, fc.integer({ min: 300, max: 2000 }), (events, grain, maxBodyBytes) => {
      const messages = csv
        .open(csv.settings.parse({ gaps: 'omit', columns: ['equipment', 'point', 'value', 'time', 'reason'] }), sampleContext())
        .encode(events, { grain, maxBodyBytes });
      const read = messages.flatMap((message) => parse(textOf(message), { columns: true }) as Record<string, string>[]);
      const wanted = events.flatMap((event) =>
        event.type !== 'dragoman.telemetry.v1'
          ? []
          : event.data.readings.map(({ point, value, time, reason }) => ({
              equipment: event.data.equipment,
              point,
              value: value === undefined ? '' : String(value),
              time,
              reason: reason ?? '',
            })),
      );
      expect(read).toEqual(wanted);
    }),
  );
});

test('each message has the header, or none', () => {
  expect(rows({}).slice(0, 1)).toEqual([['time', 'equipment', 'point', 'value', 'unit', 'quality', 'status', 'reason']]);
  expect(encode()[0]?.contentType).toBe('text/csv; charset=utf-8; header=present');
  expect(encode({ header: false })[0]?.contentType).toBe('text/csv; charset=utf-8; header=absent');
  expect(textOf(encode({ header: false })[0]!)).toMatch(/^2026-/);
});

test('every column', () => {
  const columns = ['path', 'message', 'type', 'received', 'statusCode', 'lastGood', 'sequence', 'id'];
  const readings = [
    { point: 'p', quality: 'bad' as const, status: 'Bad', statusCode: 2147483649, lastGood: noon, time: noon, type: 'int64' as const },
  ];
  expect(rows({ columns, header: false }, readings)).toEqual([
    ['candyco/leeds/kitchen/line-1', 'telemetry', 'int64', noon, '2147483649', noon, '1', 'gw-leeds-1/8f3c/1'],
  ]);
});

test('a column stands there once', () => {
  expect(() => csv.settings.parse({ columns: ['point', 'point'] })).toThrow('a column stands there twice');
});

test('losses may be left out', () => {
  expect(encode({ gaps: 'omit' }, [gap(1)])).toEqual([]);
  expect(textOf(encode({ header: false }, [gap(1, { firstSequence: '5', lastSequence: '9', point: 'p' })])[0]!)).toContain(
    ',cooker-1,p,,,bad,BadDataLost,"412 readings lost from 2026-11-24T07:59:00.000Z to 2026-11-24T08:00:00.000Z, sequence 5 to 9: outbox full"',
  );
});
