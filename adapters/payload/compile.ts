import type { CompiledAddress, PointSource, Report } from '../../mappings/language.ts';
import { nearest } from '../../mappings/nearest.ts';
import type { ValueType } from '../../model/value.ts';
import { orderMisfit } from '../registers/byte-order.ts';
import { type ModbusType, modbusTypes, typeShape } from '../registers/types.ts';
import type { PayloadAddress, Place, TimeFormat, WhenTest } from './address.ts';
import { type BodyFormat, bodyFormats } from './contract.ts';
import type { PayloadKeys, PayloadType, WhenValue } from './keys.ts';
import { unsafeMatch } from './match.ts';
import { type NotationOptions, parsePlace, showPlace } from './notation.ts';
import { timePattern } from './time.ts';
import { isZone } from './zone.ts';

/** What an adapter decides about its messages. */
export interface PayloadOptions {
  /** Decided by the adapter; left out: the key `bodyKey` of the point, else json. */
  readonly body?: BodyFormat;
  /** What the adapter calls `body`, for reports; default `body`. */
  readonly bodyKey?: string;
  /** Messages have properties or headers (`property:name`); default true. */
  readonly properties?: boolean;
  /** Messages have annotations (`annotation:name`); default false. */
  readonly annotations?: boolean;
  /** The adapter can write points; default false, and `write` is then reported. */
  readonly writable?: boolean;
}

type Say = (key: string, rule: string, message: string, hint?: string) => void;

/** Reads `at` and the payload keys of a point. Everything wrong is reported; without an address the point does not exist. */
export function compilePayloadPoint(
  source: Pick<PointSource, 'name' | 'at' | 'own' | 'write' | 'bits'>,
  report: Report,
  options: PayloadOptions = {},
): CompiledAddress<PayloadAddress> | undefined {
  const own = source.own as PayloadKeys & Readonly<Record<string, unknown>>;
  const bodyKey = options.bodyKey ?? 'body';
  const body = options.body ?? (own[bodyKey] as BodyFormat | undefined) ?? 'json';
  let sound = true;
  const wrong: Say = (key, rule, message, hint) => {
    sound = false;
    report(key, { rule, message, ...(hint !== undefined && { hint }) });
  };
  if (!bodyFormats.includes(body)) {
    wrong(bodyKey, 'payload-body', `${bodyKey}: ${body} is not a body that points are read from`, `known: ${bodyFormats.join(', ')}`);
    return undefined;
  }
  const notation = { properties: options.properties ?? true, annotations: options.annotations ?? false };
  const place = placeOf('at', source.at, body, notation, wrong);
  if (source.write && options.writable !== true) {
    wrong('write', 'payload-read-only', `${source.name} comes with messages, which are only received`, 'Remove write');
  }
  const inBody = place === undefined || (place.kind !== 'property' && place.kind !== 'annotation');
  checkKeys(own, inBody ? body : undefined, bodyKey, place, wrong);
  const rawType = inBody && body === 'binary' ? binaryType(own, wrong) : own.type === undefined ? undefined : plainType(own.type, wrong);
  if (source.bits && rawType !== undefined && /^(float|decimal|string|bytes|datetime)/.test(rawType)) {
    wrong('type', 'payload-type', `type: ${own.type} has no bits`, 'Write an integer type, or remove bit and bits');
  }
  const time = own.time === undefined ? undefined : timePlaceOf(own.time, body, notation, wrong);
  const timeFormat = timeFormatOf(own.timeFormat, body, time?.place, wrong);
  if (own.timeZone !== undefined && !isZone(own.timeZone)) {
    wrong('timeZone', 'payload-time', `"${own.timeZone}" is not a time zone`, 'Write an IANA name: Europe/Berlin, America/New_York, UTC');
  }
  if (timeFormat?.kind === 'pattern' && own.timeZone === undefined && (time !== undefined || own.type === 'datetime')) {
    report('timeFormat', {
      rule: 'payload-time-zone',
      severity: 'warn',
      message: 'times of this form name no zone, and are taken as UTC',
      hint: "write the zone of the machine's clock: timeZone: Europe/Berlin; or timeZone: UTC if that is so",
    });
  }
  const when = own.when === undefined ? undefined : whenOf(own.when, body, notation, wrong);
  if (own.match !== undefined) {
    const unsafe = unsafeMatch(own.match);
    if (unsafe) wrong('match', 'payload-match', unsafe.message, unsafe.hint);
  }
  if (!sound || place === undefined) return undefined;
  const comma = own.decimal === ',';
  const address: PayloadAddress = {
    body,
    place,
    shown: showPlace(place),
    ...(own.type !== undefined && { type: own.type }),
    ...(body === 'binary' && own.byteOrder !== undefined && { byteOrder: own.byteOrder }),
    ...(body === 'binary' && own.length !== undefined && { length: own.length }),
    ...(time !== undefined && { time }),
    ...(timeFormat !== undefined && { timeFormat }),
    ...(own.timeZone !== undefined && { timeZone: own.timeZone }),
    ...(when !== undefined && { when }),
    ...(own.missing === 'keep' && { keep: true as const }),
    ...(body === 'csv' && { separator: own.separator ?? (comma ? ';' : ',') }),
    ...(comma && { decimalComma: true as const }),
    ...(body === 'csv' && own.header !== undefined && { header: own.header }),
    ...(own.match !== undefined && { match: own.match }),
  };
  return { address, rawType };
}

function placeOf(key: string, text: string | undefined, body: BodyFormat, notation: NotationOptions, wrong: Say): Place | undefined {
  if (text === undefined) {
    if (body === 'text') return { kind: 'whole' };
    const example = {
      json: '/temperature, or "" for the whole body',
      csv: 'column:temperature',
      binary: 'byte 0',
      xml: '/status/temperature',
    }[body];
    wrong(key, 'payload-place', `${key} is missing`, `Write where the value is: ${key}: ${example}`);
    return undefined;
  }
  const parsed = parsePlace(text, body, notation);
  if ('place' in parsed) return parsed.place;
  wrong(key, parsed.finding.rule, `${key}: ${parsed.finding.message}`, parsed.finding.hint);
  return undefined;
}

function timePlaceOf(text: string, body: BodyFormat, notation: NotationOptions, wrong: Say): PayloadAddress['time'] {
  const place = placeOf('time', text, body, notation, wrong);
  return place && { place, shown: showPlace(place) };
}

/** Keys that only some bodies have, and combinations that contradict each other. */
function checkKeys(own: PayloadKeys, body: BodyFormat | undefined, bodyKey: string, place: Place | undefined, wrong: Say): void {
  const only = (key: keyof PayloadKeys, bodies: readonly BodyFormat[]): void => {
    if (own[key] === undefined || body === undefined || bodies.includes(body)) return;
    wrong(key, 'payload-key', `${key} has no meaning in a body of ${body}`, `It belongs to ${bodyKey}: ${bodies.join(', ')}`);
  };
  only('match', ['text']);
  if (own.match !== undefined && body === 'text' && place !== undefined && place.kind !== 'whole')
    wrong('match', 'payload-key', 'match takes a part of the whole text; the place is elsewhere', 'Leave at out, or match');
  if (own.header === false && place?.kind === 'column')
    wrong(
      'header',
      'payload-key',
      `header: false and at: column:${place.name}: without a header columns have no names`,
      'Write column:3 for the third column',
    );
  if (own.separator !== undefined && own.separator === (own.decimal ?? '.'))
    wrong(
      'separator',
      'payload-key',
      `"${own.separator}" cannot be the separator and stand before decimals`,
      'Write decimal: "," with separator: ";"',
    );
  if (own.separator !== undefined && /["\r\n]/.test(own.separator))
    wrong('separator', 'payload-key', 'quotes and line ends cannot separate columns', 'Write ",", ";", "|" or "\\t"');
}

/** Types whose elements are bytes, not registers, where bytes are counted. */
const byteWide: ReadonlySet<string> = new Set(['bool', 'int8', 'uint8']);

function binaryType(own: PayloadKeys, wrong: Say): ValueType | undefined {
  const { type, length, byteOrder } = own;
  if (type === undefined || type === 'decimal' || type === 'datetime') {
    const found = type === undefined ? 'a value in a binary body needs a type' : `${type} is not a type of bytes`;
    wrong(
      'type',
      'payload-type',
      found,
      type === 'datetime' ? 'Write datetime-unix32, datetime-unix64, datetime-s7 …' : 'Write type: int16, float32, uint64, string …',
    );
    return undefined;
  }
  const shape = typeShape(type);
  if ((type === 'string' || type === 'bytes') && length === undefined)
    wrong('length', 'payload-length', `${type} needs a length`, 'Write how many bytes it takes: length: 16');
  if (type === 'mod10k' && length !== undefined && length > 4)
    wrong('length', 'payload-length', `mod10k has at most 4 registers, not ${length}`);
  if (length !== undefined && length > 1 && shape.registers !== undefined && !shape.arrays && !byteWide.has(type))
    wrong('length', 'payload-length', `${type} has a fixed length of ${shape.registers * 2} bytes`, 'Leave length out');
  if (byteOrder !== undefined) {
    const misfit = byteWide.has(type) ? undefined : orderMisfit(byteOrder, type);
    if (misfit) wrong('byteOrder', 'payload-byte-order', misfit, 'Write ABCD, CDAB, BADC or DCBA: they fit every width');
    else if (shape.width === 0 && type !== 'mod10k' && length !== undefined && length % 2 === 1 && byteOrder !== 'ABCD')
      wrong(
        'byteOrder',
        'payload-byte-order',
        `byteOrder ${byteOrder} swaps pairs of bytes, and ${length} is odd`,
        'Leave byteOrder out, or write an even length',
      );
  }
  return type === 'mod10k' && (length ?? 2) > 2 ? 'int64' : shape.raw;
}

/** Forms of registers mean nothing in a text: BCD is a way to lie in memory. */
function plainType(type: PayloadType, wrong: Say): ValueType | undefined {
  if (type === 'decimal' || type === 'datetime') return type;
  const { raw } = typeShape(type);
  if (raw === type) return raw;
  wrong('type', 'payload-type', `type: ${type} is a form of registers, for binary bodies`, `Write type: ${raw}`);
  return undefined;
}

const timeWords = ['iso', 's', 'ms', 'us', 'ns'] as const;
const datetimeTypes = modbusTypes.filter((type) => type.startsWith('datetime-'));

function timeFormatOf(written: string | undefined, body: BodyFormat, time: Place | undefined, wrong: Say): TimeFormat | undefined {
  const inBytes = time?.kind === 'byte';
  if (written === undefined) {
    if (inBytes) wrong('timeFormat', 'payload-time', 'a time in a binary body needs a timeFormat', `known: ${datetimeTypes.join(', ')}`);
    return undefined;
  }
  if ((datetimeTypes as string[]).includes(written)) {
    if (inBytes || (body === 'binary' && time === undefined)) return { kind: 'registers', type: written as ModbusType };
    wrong(
      'timeFormat',
      'payload-time',
      `timeFormat: ${written} is a form of registers, for binary bodies`,
      'Write iso, s, ms, us, ns or a pattern',
    );
    return undefined;
  }
  if (inBytes) {
    wrong('timeFormat', 'payload-time', `timeFormat: "${written}" is not how bytes hold a time`, `known: ${datetimeTypes.join(', ')}`);
    return undefined;
  }
  const word = timeWords.find((each) => each === written);
  if (word !== undefined) return { kind: word };
  if (timePattern(written)) return { kind: 'pattern', pattern: written };
  const near = nearest(written, [...timeWords, ...datetimeTypes]);
  wrong(
    'timeFormat',
    'payload-time',
    `timeFormat: "${written}" is not a format of times`,
    near === undefined ? 'Write iso, s, ms, us, ns, or a pattern of yyyy MM dd HH mm ss SSS: dd.MM.yyyy HH:mm:ss' : `did you mean ${near}?`,
  );
  return undefined;
}

function whenOf(
  written: Readonly<Record<string, WhenValue | readonly WhenValue[]>>,
  body: BodyFormat,
  notation: NotationOptions,
  wrong: Say,
): readonly WhenTest[] {
  return Object.entries(written).flatMap(([key, value]): WhenTest[] => {
    const values = (Array.isArray(value) ? value : [value]) as readonly WhenValue[];
    // A bare name is a property, which is what brokers filter by.
    if (/^[^/:]+$/.test(key) && notation.properties && !(body === 'binary' && /^byte\s/.test(key)))
      return [{ place: { kind: 'property', name: key }, values }];
    const parsed = parsePlace(key, body, notation);
    if ('place' in parsed && parsed.place.kind !== 'byte') return [{ place: parsed.place, values }];
    const [message, hint] =
      'place' in parsed
        ? ['a binary body is not filtered by its bytes', 'Write the name of a property']
        : [parsed.finding.message, parsed.finding.hint];
    wrong('when', 'payload-when', `when: ${message}`, hint);
    return [];
  });
}
