import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import { titled } from '../../test/support/capabilities.ts';
import type { EncodedMessage } from '../contract.ts';
import { anyEvents } from '../testcases/arbitrary.ts';
import { pythonHere, resolveSenml, textOf } from '../testcases/decode.ts';
import { everyKind, gap, noon, sampleContext, telemetry } from '../testcases/sample.ts';
import { senml } from './encoding.ts';
import { senmlUnit } from './units.ts';

const roomy = { grain: 'batch', maxBodyBytes: 250_000 } as const;
const encode = (settings: object, events: readonly HubEvent[], options: Parameters<ReturnType<typeof senml.open>['encode']>[1] = roomy) =>
  senml.open(senml.settings.parse(settings), sampleContext()).encode(events, options);
const reading = (rest: Partial<TelemetryReading>): TelemetryReading => ({ point: 'p', value: 1, time: noon, ...rest });
const records = (messages: readonly EncodedMessage[]) => resolveSenml(messages).flat();

describe.skipIf(!pythonHere.ok)(titled('resolved as RFC 8428 says, by a resolver in Python', pythonHere), () => {
  test('every kind of value, each digit of it', () => {
    const base = 'candyco/leeds/gw-leeds-1/cooker-1/';
    const t = '1795507201.25';
    const relative = false;
    expect(records(encode({}, [telemetry(1, everyKind)]))).toEqual([
      { n: `${base}jacket_temperature`, t, relative, v: '93.2', u: 'Cel' },
      { n: `${base}state`, t, relative, vs: 'running, "hot"' },
      { n: `${base}overheat`, t, relative, vb: false },
      { n: `${base}batch_id`, t, relative, vs: '18446744073709551615' },
      { n: `${base}energy`, t: '1795507201.2501234', relative, vs: '90071992547409.93' },
      { n: `${base}serial_block`, t, relative, vd: '_-8' },
      { n: `${base}started`, t, relative, vs: '2026-11-24T06:30:00Z' },
      { n: `${base}profile`, t, relative, vs: '[20,-5,60]', u: 'Cel' },
      { n: `${base}jacket_temperature`, t: '1795507202.00', relative, v: '181.5', u: 'Cel' },
    ]);
  });

  test('secondary units say so in the version; large numbers may be numbers', () => {
    const [, energy] = records(
      encode({ units: 'secondary', large: 'number' }, [
        telemetry(1, [reading({}), reading({ unit: 'kW.h', type: 'decimal', value: '90071992547409.93' })]),
      ]),
    );
    expect(energy).toMatchObject({ v: '90071992547409.93', u: 'kWh' });
  });

  test('what is not good has a record of its own, when asked for', () => {
    const read = records(encode({ bad: 'status', names: 'equipment' }, [telemetry(1, everyKind)]));
    expect(read.filter(({ n }) => n.endsWith('/status')).map(({ n, vs }) => [n, vs])).toEqual([
      ['cooker-1/motor_current/status', 'BadTimeout'],
      ['cooker-1/jacket_temperature/status', 'UncertainEngineeringUnitsExceeded'],
    ]);
  });

  test.for([
    {
      what: 'a clock that started in 1970',
      rest: { time: '1970-01-01T00:05:00.000Z', received: noon },
      t: '1795507201.25',
      relative: false,
    },
    {
      what: 'the last second that would be relative',
      rest: { time: '1978-07-04T21:24:15.000Z', received: noon },
      t: '1795507201.25',
      relative: false,
    },
    { what: 'the first second that is not', rest: { time: '1978-07-04T21:24:16.000Z', received: noon }, t: '268435456', relative: false },
    { what: 'a gateway without a clock: now', rest: { time: '1970-01-01T00:05:00.000Z' }, t: '0', relative: true },
    { what: 'before the base', rest: { time: '2026-11-24T08:00:00.0000001Z' }, t: '1795507200.0000001', relative: false },
  ])('$what', ({ rest, t, relative }) => {
    const read = records(encode({}, [telemetry(1, [reading({}), reading(rest)])]))[1]!;
    expect(Number(read.t)).toBe(Number(t));
    expect(read.relative).toBe(relative);
  });

  test('names keep to the letters of the standard', () => {
    const [read] = records(encode({ names: 'path' }, [telemetry(1, [reading({})], { equipment: 'Öfen 3', path: 'werk/straße' })]));
    expect(read?.n).toBe('werk/stra:C3:9Fe/:C3:96fen:203/p');
  });

  test('whatever is cut, all values arrive in order', () => {
    const cases = fc.sample(fc.tuple(anyEvents, fc.constantFrom('batch' as const, 'event' as const, 'reading' as const)), 40);
    const messages = cases.flatMap(([events, grain]) => encode({ large: 'number' }, events, { grain, maxBodyBytes: 600 }));
    const wanted = cases.flatMap(([events]) =>
      events
        .flatMap((event) => (event.type === 'dragoman.telemetry.v1' ? event.data.readings : []))
        .filter(({ value }) => value !== undefined),
    );
    const read = records(messages);
    expect(read.map(({ n }) => n.split('/').at(-1))).toEqual(wanted.map(({ point }) => point));
    read.forEach((record, i) => {
      const { value, type } = wanted[i]!;
      if (type === 'bytes') expect(Buffer.from(record.vd!, 'base64url').toString('base64')).toBe(value);
      else if (type === 'int64') expect(BigInt(record.v!)).toBe(BigInt(value as string));
      else expect(record.v === undefined ? (record.vb ?? record.vs) : Number(record.v)).toBe(value);
    });
  });
});

test.for([
  { ucum: 'Cel', primary: 'Cel', secondary: 'Cel', any: 'Cel' },
  { ucum: 'L', primary: 'l', secondary: 'l', any: 'l' },
  { ucum: 'kW.h', primary: undefined, secondary: 'kWh', any: 'kWh' },
  { ucum: 'bar', primary: undefined, secondary: undefined, any: 'bar' },
  { ucum: 'constructor', primary: undefined, secondary: undefined, any: 'constructor' },
])('the unit $ucum', ({ ucum, primary, secondary, any }) => {
  expect([senmlUnit(ucum, 'primary'), senmlUnit(ucum, 'secondary'), senmlUnit(ucum, 'ucum')]).toEqual([primary, secondary, any]);
});

test('nothing to say, no message', () => {
  expect(encode({}, [gap(1), telemetry(2, [reading({ value: undefined as never, quality: 'bad' })])])).toEqual([]);
});

test('each machine of a batch sets its own base', () => {
  const [message] = encode({ names: 'equipment' }, [telemetry(1, [reading({})]), telemetry(2, [reading({})], { equipment: 'mixer-2' })]);
  expect(textOf(message!)).toBe('[{"bn":"cooker-1/","bt":1795507201.25,"n":"p","v":1},{"bn":"mixer-2/","bt":1795507201.25,"n":"p","v":1}]');
});
