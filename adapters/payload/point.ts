import type { SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import { type ModbusType, typeShape } from '../registers/types.ts';
import type { PayloadAddress } from './address.ts';
import { binaryForm } from './binary.ts';
import type { DecodedBody } from './body.ts';
import type { Message } from './contract.ts';
import { fetchOf } from './fetch.ts';
import { compileMatch, type Match } from './match.ts';
import { nearPlace } from './near-place.ts';
import type { SourceTime } from './source-time.ts';
import { missingState } from './states.ts';
import { type TimeReader, timeReader } from './time.ts';
import { type Take, type Taken, takeOf } from './values.ts';

/** One point, ready to read. */
export interface ReadPoint {
  readonly index: number;
  /** Fills `out`; says false when the place is missing. */
  readonly read: (message: Message, body: DecodedBody, row: number, out: Taken) => boolean;
  /** Given to a message without the place; undefined: such a message says nothing about the point. */
  readonly missing: ((body: DecodedBody) => SampleState) | undefined;
  readonly time: SourceTime | undefined;
}

/** `time` is shared by the points whose time is in the same place. */
export function compileRead(index: number, address: PayloadAddress, time: SourceTime | undefined): ReadPoint {
  return {
    index,
    read: readOf(address, timeReader(address.timeFormat, address.timeZone)),
    missing: address.keep ? undefined : missingOf(address),
    time,
  };
}

/** What was probably meant is looked for once: the first message without the place tells, and the reason stays the same. */
function missingOf({ place, shown }: PayloadAddress): (body: DecodedBody) => SampleState {
  let state: SampleState | undefined;
  return (body) => {
    state ??= missingState(shown, nearPlace(place, body));
    return state;
  };
}

function readOf(address: PayloadAddress, time: TimeReader): ReadPoint['read'] {
  const { place, shown, type } = address;
  if (place.kind === 'byte') return readBytes(address, place.offset);
  const inBody = place.kind !== 'property' && place.kind !== 'annotation';
  const reading = { shown, textual: inBody && address.body !== 'json', decimalComma: address.decimalComma === true, time };
  const take = takeOf(type, reading);
  const fetch = fetchOf(place);
  if (address.match !== undefined) return readMatch(compileMatch(address.match), shown, take);
  return (message, body, row, out) => {
    const node = fetch(message, body, row);
    if (node === undefined) return false;
    take(node, out);
    return true;
  };
}

function readBytes({ type, byteOrder, length, shown }: PayloadAddress, offset: number): ReadPoint['read'] {
  const form = binaryForm(type as ModbusType, byteOrder, length);
  const raw = type === 'mod10k' && (length ?? 2) > 2 ? 'int64' : typeShape(type as ModbusType).raw;
  const nothing: SampleState = { status: statuses.BadNoData, reason: `the bytes at ${shown} spell no ${type}` };
  return (_message, { bytes }, _row, out) => {
    out.state = undefined;
    out.type = undefined;
    if (offset + form.bytes > bytes!.length) {
      if (offset >= bytes!.length) return false;
      out.value = undefined;
      out.state = {
        status: statuses.BadNoData,
        reason: `the body ends at byte ${bytes!.length}, within the ${form.bytes} bytes of ${shown}`,
      };
      return true;
    }
    out.value = form.decode(bytes!, offset);
    out.type = raw;
    if (out.value === undefined) out.state = nothing;
    return true;
  };
}

function readMatch({ expression, maxInput }: Match, shown: string, take: Take): ReadPoint['read'] {
  const tooLong: SampleState = {
    status: statuses.BadNotSupported,
    reason: `the text is longer than the ${maxInput} characters that match looks at`,
  };
  return (_message, { text }, _row, out) => {
    const whole = typeof text === 'string' ? text : String(text);
    out.type = undefined;
    if (whole.length > maxInput) {
      out.value = undefined;
      out.state = tooLong;
      return true;
    }
    const found = expression.exec(whole);
    if (found === null) {
      out.value = undefined;
      out.state = { status: statuses.BadNoMatch, reason: `${shown} ${JSON.stringify(whole.slice(0, 40))} does not match` };
    } else take(found[1] ?? '', out);
    return true;
  };
}
