import { z } from 'zod';
import type { GapEvent, HubEvent, TelemetryEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { Encoder, Encoding, EncodingContext, MessageSubject } from '../contract.ts';
import { sectionsOf } from '../packing/by-kind.ts';
import { pack } from '../packing/pack.ts';
import { type Form, type Section, uncut } from '../packing/section.ts';
import { gapSubject, telemetrySubject } from '../subject.ts';

export const columnNames = [
  'time',
  'received',
  'path',
  'equipment',
  'message',
  'point',
  'value',
  'type',
  'unit',
  'quality',
  'status',
  'statusCode',
  'reason',
  'lastGood',
  'sequence',
  'id',
] as const;
export type ColumnName = (typeof columnNames)[number];

const separators = { comma: ',', semicolon: ';', tab: '\t' } as const;
const lineEnds = { crlf: '\r\n', lf: '\n' } as const;

const settings = z.strictObject({
  columns: z
    .array(z.enum(columnNames))
    .min(1)
    .refine((columns) => new Set(columns).size === columns.length, 'a column stands there twice')
    .default(['time', 'equipment', 'point', 'value', 'unit', 'quality', 'status', 'reason'])
    .describe('Columns, in order'),
  header: z.boolean().default(true).describe('The first line of each message names the columns'),
  separator: z
    .enum(Object.keys(separators) as [keyof typeof separators])
    .default('comma')
    .describe('Between two cells; spreadsheets of countries with a decimal comma want semicolon'),
  decimal: z.enum(['point', 'comma']).default('point').describe('How numbers are written: 93.2 or 93,2'),
  lines: z
    .enum(Object.keys(lineEnds) as [keyof typeof lineEnds])
    .default('crlf')
    .describe('End of a line; the standard says crlf'),
  gaps: z
    .enum(['row', 'omit'])
    .default('row')
    .describe('What becomes of the record of a loss: a row of bad quality with status BadDataLost, or nothing'),
});
export type CsvSettings = z.output<typeof settings>;

/** RFC 4180. */
export const csv: Encoding<CsvSettings> = {
  name: 'csv',
  summary: 'Comma-separated values, one row a reading',
  drops: [
    'What has no column: by default path, message, type, gateway time, lastGood, id and sequence; with all columns nothing of a reading',
    'The types of values: everything is text; arrays stand in one cell, written as JSON',
    'Numbers that prove completeness, unless the columns sequence or id are asked for; previous always',
    'Of the record of a loss: from and the sequence numbers stand in the text of its reason only; with gaps: omit all of it',
  ],
  settings,
  open: (chosen, context) => csvEncoder(chosen, context),
};

/** What the cells of one event have in common. */
interface Row {
  readonly about: MessageSubject;
  readonly event: HubEvent;
}

function csvEncoder(chosen: CsvSettings, context: EncodingContext): Encoder {
  const { columns, decimal } = chosen;
  const separator = separators[chosen.separator];
  const lineEnd = lineEnds[chosen.lines];
  const special = new RegExp(`[${separator}"\r\n]`);
  const cell = (text: string): string => (special.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const number = (text: string): string => (decimal === 'comma' ? text.replace('.', ',') : text);
  const cells = columns.map((column) => cellOf(column, number));
  const row = (reading: Partial<TelemetryReading>, about: Row): string => {
    let text = '';
    for (let i = 0; i < cells.length; i++) text += (i === 0 ? '' : separator) + cell(cells[i]!(reading, about));
    return text + lineEnd;
  };
  const header = chosen.header ? columns.map(cell).join(separator) + lineEnd : '';
  const form: Form = {
    open: () => header,
    close: () => '',
    between: '',
    retains: columns.includes('time') && columns.includes('quality'),
    contentType: () => `text/csv; charset=utf-8; header=${chosen.header ? 'present' : 'absent'}`,
  };
  const rowsOf = (event: TelemetryEvent): Section => {
    const about = telemetrySubject(event);
    const { readings } = event.data;
    const pieces = (): string[] => readings.map((reading) => row(reading, { about, event }));
    return {
      event,
      about,
      readings,
      separator: '',
      frameBytes: 0,
      joined: () => pieces().join(''),
      pieces,
      frame: () => ({ head: '', tail: '' }),
    };
  };
  const rowOfGap = (event: GapEvent): Section => {
    const about = gapSubject(event, context);
    return uncut(event, about, row(gapReading(event), { about, event }));
  };
  const gaps = chosen.gaps === 'row' ? rowOfGap : undefined;
  return { encode: (events, options) => pack(sectionsOf(events, rowsOf, gaps), form, options) };
}

function gapReading({ data }: GapEvent): Partial<TelemetryReading> {
  const numbers = data.firstSequence === undefined ? '' : `, sequence ${data.firstSequence} to ${data.lastSequence ?? data.firstSequence}`;
  const lost = `${data.readings} readings lost from ${data.from} to ${data.to}${numbers}: ${data.reason}`;
  return { point: data.point ?? '', quality: 'bad', status: 'BadDataLost', reason: lost, time: data.to };
}

function cellOf(column: ColumnName, number: (text: string) => string): (reading: Partial<TelemetryReading>, row: Row) => string {
  switch (column) {
    case 'received':
      return ({ received, time }) => received ?? time ?? '';
    case 'path':
    case 'equipment':
    case 'message':
      return (_, { about }) => about[column];
    case 'sequence':
    case 'id':
      return (_, { event }) => event[column];
    case 'value':
      return ({ value, type }) => valueCell(value, type, number);
    case 'quality':
      return ({ quality }) => quality ?? 'good';
    case 'status':
      return ({ status, quality = 'good' }) => status ?? (quality === 'good' ? 'Good' : '');
    case 'statusCode':
      return ({ statusCode }) => (statusCode === undefined ? '' : String(statusCode));
    default:
      return (reading) => reading[column] ?? '';
  }
}

function valueCell(value: TelemetryReading['value'], type: TelemetryReading['type'], number: (text: string) => string): string {
  if (typeof value === 'number' || (type === 'decimal' && typeof value === 'string')) return number(String(value));
  if (value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
