import { z } from 'zod';
import type { TelemetryEvent, TelemetryReading } from '../../model/telemetry.ts';
import type { Encoder, Encoding, EncodingContext, MessageSubject } from '../contract.ts';
import { isLarge, jsonOf, type Large, large } from '../exact-value.ts';
import { sectionsOf } from '../packing/by-kind.ts';
import { pack } from '../packing/pack.ts';
import type { Form, Section } from '../packing/section.ts';
import type { ExactTime } from '../source-time.ts';
import { telemetrySubject } from '../subject.ts';
import { absoluteTime, differenceText, secondsText } from './time.ts';
import { senmlUnit, unitChoices } from './units.ts';

const settings = z.strictObject({
  names: z
    .enum(['gateway', 'path', 'equipment'])
    .default('gateway')
    .describe('What the base name is made of, before the machine: the source of the gateway, the path of the machine, or nothing'),
  units: z
    .enum(unitChoices)
    .default('primary')
    .describe(
      'primary: of the registry of RFC 8428; secondary: also kW, kWh, min and others of RFC 8798 (version 26); ucum: all others as they are, outside the standard',
    ),
  bad: z
    .enum(['omit', 'status'])
    .default('omit')
    .describe(
      'omit: readings without a value are left out; status: what is not good has a record POINT/status with the name of its status',
    ),
  large,
});
export type SenmlSettings = z.output<typeof settings>;

/** RFC 8428, in JSON; one pack a message. */
export const senml: Encoding<SenmlSettings> = {
  name: 'senml',
  summary: 'SenML (RFC 8428) in JSON',
  drops: [
    'Quality: an uncertain value looks like a good one and a bad one is missing, unless bad: status is asked for; reason, lastGood and numeric codes always',
    'Units that the SenML registry does not have (kWh and kW only with units: secondary); nothing is converted',
    'Numbers as numbers, where they are int64, uint64 or decimal: they arrive as text (vs) unless large: number is asked for; arrays arrive as JSON text; a datetime as text',
    'Source times before 4 July 1978, which SenML takes for relative ones: the gateway time stands in their place; a reader that adds base and time as doubles gets them to a microsecond',
    'Records of losses, and the numbers by which a consumer sees that something is missing',
    'Names of messages and their priority',
  ],
  settings,
  open: (chosen, context) => senmlEncoder(chosen, context),
};

/** Version 10, and bit 4 for secondary units (RFC 9100 §2, §4). */
const versionWithSecondaryUnits = 26;

function senmlEncoder(chosen: SenmlSettings, context: EncodingContext): Encoder {
  const version = chosen.units !== 'primary' ? `"bver":${versionWithSecondaryUnits},` : '';
  const form: Form = {
    open: () => '[',
    close: () => ']',
    between: ',',
    contentType: () => 'application/senml+json',
    retains: chosen.bad === 'status',
  };
  const units = new Map<string, string>();
  const unitText = (ucum: string | undefined): string => {
    if (ucum === undefined) return '';
    const known = units.get(ucum);
    if (known !== undefined) return known;
    const name = senmlUnit(ucum, chosen.units);
    const text = name === undefined ? '' : `,"u":${JSON.stringify(name)}`;
    units.set(ucum, text);
    return text;
  };
  /** The record without its opening brace, which the frame or the separator gives. */
  const record = (reading: TelemetryReading, base: ExactTime | undefined): string => {
    const time = timeText(reading, base);
    const { value, type, unit, quality, status } = reading;
    const point = safeName(reading.point);
    const valued = value === undefined ? '' : `"n":"${point}"${unitText(unit)},${valueText(value, type, chosen.large)}${time}}`;
    if (chosen.bad === 'omit' || isGood(reading)) return valued;
    const said = `"n":"${point}/status","vs":${JSON.stringify(status ?? (quality === 'bad' ? 'Bad' : 'Uncertain'))}${time}}`;
    return valued === '' ? said : `${valued},{${said}`;
  };
  const recordsOf = (event: TelemetryEvent): readonly Section[] => {
    const about = telemetrySubject(event);
    const { readings: all } = event.data;
    const readings = all.filter((reading) => reading.value !== undefined || (chosen.bad === 'status' && !isGood(reading)));
    if (readings.length === 0) return [];
    const base = baseTime(readings, event.time);
    const pieces = (): string[] => readings.map((reading) => record(reading, base));
    const head = `{"bn":"${baseName(about, chosen, context)}",${version}${base ? `"bt":${secondsText(base)},` : ''}`;
    return [
      {
        event,
        about,
        readings,
        separator: ',{',
        frameBytes: head.length,
        joined: () => pieces().join(',{'),
        pieces,
        frame: () => ({ head, tail: '' }),
      },
    ];
  };
  return { encode: (events, options) => pack(sectionsOf(events, recordsOf), form, options) };
}

function isGood({ quality = 'good' }: TelemetryReading): boolean {
  return quality === 'good';
}

function baseTime(readings: readonly TelemetryReading[], eventTime: string): ExactTime | undefined {
  const first = readings[0];
  return first && (usableTime(first) ?? absoluteTime(eventTime));
}

function usableTime({ time, received }: TelemetryReading): ExactTime | undefined {
  return absoluteTime(time) ?? (received === undefined ? undefined : absoluteTime(received));
}

/** Without a clock worth the name the sum with the base is 0, which means now (§4.5.3). */
function timeText(reading: TelemetryReading, base: ExactTime | undefined): string {
  if (!base) return '';
  const time = usableTime(reading) ?? { seconds: 0, ticks: 0 };
  return time.seconds === base.seconds && time.ticks === base.ticks ? '' : `,"t":${differenceText(time, base)}`;
}

function valueText(value: NonNullable<TelemetryReading['value']>, type: TelemetryReading['type'], form: Large): string {
  switch (typeof value) {
    case 'number':
      return `"v":${value}`;
    case 'boolean':
      return `"vb":${value}`;
    case 'string':
      if (type === 'bytes') return `"vd":"${value.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}"`;
      return isLarge(value, type) && form === 'number' ? `"v":${value}` : `"vs":${JSON.stringify(value)}`;
    default:
      return `"vs":${JSON.stringify(jsonOf(value, type, form))}`;
  }
}

function baseName({ equipment, path }: MessageSubject, { names }: SenmlSettings, { source }: EncodingContext): string {
  const before = names === 'gateway' ? source : names === 'path' ? path : '';
  return `${[...before.split('/').filter(Boolean), equipment].map(safeName).join('/')}/`;
}

/** Only `A-Z a-z 0-9 - : . _` may stand in a level of a name (§4.5.1); other bytes are written `:C3`, and so is the colon. */
function safeName(level: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(level)) return level;
  return [...Buffer.from(level)]
    .map((byte) =>
      /[A-Za-z0-9._-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `:${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
}
