import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import type { EncodeOptions, Encoder } from '../contract.ts';
import { anyEvents, anyGrain } from '../testcases/arbitrary.ts';
import { readPubSub, textOf } from '../testcases/decode.ts';
import { everyKind, gap, noon, SamplePlant, sampleContext, telemetry } from '../testcases/sample.ts';
import { opcuaPubsub } from './encoding.ts';
import { engineeringUnit } from './units.ts';
import { WriterIds } from './writer.ts';

const roomy: EncodeOptions = { grain: 'batch', maxBodyBytes: 250_000 };
const open = (settings: object = {}, plant = new SamplePlant()): Encoder =>
  opcuaPubsub.open(opcuaPubsub.settings.parse(settings), sampleContext(plant));
const parsed = (encoder: Encoder, events: readonly HubEvent[], options = roomy) =>
  encoder.encode(events, options).map((message) => JSON.parse(textOf(message)));
interface MetaDataMessage {
  readonly MetaData: {
    readonly Fields: readonly { readonly BuiltInType: number; readonly DataSetFieldId: string }[];
    readonly ConfigurationVersion: { readonly MajorVersion: number; readonly MinorVersion: number };
  };
}
const metadataOf = (messages: readonly { MessageType: string }[]) =>
  messages.filter(({ MessageType }) => MessageType === 'ua-metadata') as unknown as MetaDataMessage[];

const asyncua = capability('asyncua');

describe.skipIf(!asyncua.ok)(titled('read by a reader in Python that has types and codes from asyncua', asyncua), () => {
  test('every kind of value', () => {
    const [metadata, data] = readPubSub(open().encode([telemetry(1, everyKind)], roomy));
    expect(metadata?.fields).toEqual({
      jacket_temperature: 'Float',
      motor_current: 'Double',
      state: 'String',
      overheat: 'Boolean',
      batch_id: 'UInt64',
      energy: 'String',
      serial_block: 'ByteString',
      started: 'DateTime',
      profile: 'Int16',
    });
    expect(metadata?.units).toEqual({ jacket_temperature: 4408652, motor_current: 4279632, energy: 4937544, profile: 4408652 });
    const [first, second] = data!.data!;
    expect(first).toMatchObject({ writer: 'cooker-1', sequence: 1, type: 'ua-deltaframe' });
    expect(first?.fields.motor_current).toEqual({ status: 'BadTimeout', source: noon, server: noon });
    expect(first?.fields.batch_id).toEqual({ value: '18446744073709551615', status: 'Good', source: noon, server: noon });
    expect(first?.fields.energy).toMatchObject({ source: '2026-11-24T08:00:01.2501234Z', server: noon });
    expect(second?.fields).toEqual({
      jacket_temperature: expect.objectContaining({ value: 181.5, status: 'UncertainEngineeringUnitsExceeded' }),
    });
  });

  test('a loss is an event of the data set gap', () => {
    const [metadata, data] = readPubSub(open().encode([gap(1, { firstSequence: '5', lastSequence: '9', point: 'state' })], roomy));
    expect(metadata?.fields).toMatchObject({ From: 'DateTime', Readings: 'UInt32', FirstSequence: 'UInt64' });
    expect(data?.data?.[0]).toMatchObject({
      writer: 'cooker-1/gap',
      type: 'ua-event',
      fields: { Readings: { value: 412 }, FirstSequence: { value: '5' } },
    });
  });

  test('raw: values alone, those of one time together', () => {
    const [, data] = readPubSub(open({ raw: true }).encode([telemetry(1, everyKind)], roomy));
    const values = data!.data!.map(({ fields }) => Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, value])));
    expect(values).toEqual([
      { jacket_temperature: 93.2, state: 'running, "hot"', overheat: false, batch_id: '18446744073709551615' },
      { energy: '90071992547409.93' },
      { serial_block: '/+8=', started: '2026-11-24T06:30:00Z', profile: [20, -5, 60] },
      { jacket_temperature: 181.5 },
    ]);
  });

  test('whatever is cut, metadata comes first and all readings arrive in order', () => {
    const encoder = open();
    const cases = fc.sample(fc.tuple(anyEvents, anyGrain), 30);
    // One session: ids must not repeat in it.
    const events = cases.flatMap(([some], i) => some.map((event) => ({ ...event, id: `${event.id}-${i}` })));
    const messages = cases.flatMap(([some, grain], i) =>
      encoder.encode(
        some.map((event) => ({ ...event, id: `${event.id}-${i}` })),
        { grain, maxBodyBytes: 4_000 },
      ),
    );
    const read = readPubSub(messages)
      .flatMap(({ data = [] }) => data)
      .filter(({ type }) => type === 'ua-deltaframe')
      .flatMap(({ writer, fields }) => Object.entries(fields).map(([point, { source, status }]) => ({ writer, point, source, status })));
    const wanted = events.flatMap((event) =>
      event.type !== 'dragoman.telemetry.v1'
        ? []
        : event.data.readings.map(({ point, time, status }) => ({
            writer: event.data.equipment,
            point,
            source: time,
            status: status ?? 'Good',
          })),
    );
    expect(read).toEqual(wanted);
  });
});

describe('metadata', () => {
  const speed = (value: TelemetryReading['value'], rest: Partial<TelemetryReading> = {}): TelemetryReading => ({
    point: 'speed',
    value: value!,
    time: noon,
    ...rest,
  });

  test('goes once, before the first data, and again when the plant changed', () => {
    const plant = new SamplePlant();
    const encoder = open({}, plant);
    const types = (sequence: number) => parsed(encoder, [telemetry(sequence, everyKind)]).map(({ MessageType }) => MessageType);
    expect(types(1)).toEqual(['ua-metadata', 'ua-data']);
    expect(types(2)).toEqual(['ua-data']);
    plant.change([...plant.points]);
    expect(types(3)).toEqual(['ua-data']);
    plant.change(plant.points.map((point) => (point.name === 'state' ? { ...point, description: 'new' } : point)));
    expect(types(4)).toEqual(['ua-metadata', 'ua-data']);
    expect(types(5)).toEqual(['ua-data']);
  });

  test('may be left out', () => {
    expect(parsed(open({ metadata: false }), [telemetry(1, everyKind)]).map(({ MessageType }) => MessageType)).toEqual(['ua-data']);
  });

  test('a new unit changes the minor version, a new type the major one too', () => {
    const plant = new SamplePlant();
    const encoder = open({}, plant);
    const version = (sequence: number) => metadataOf(parsed(encoder, [telemetry(sequence, everyKind)]))[0]!.MetaData.ConfigurationVersion;
    const first = version(1);
    expect(first.MajorVersion).toBe(first.MinorVersion);
    plant.change(plant.points.map((point) => (point.name === 'motor_current' ? { ...point, unit: 'mA' } : point)));
    const second = version(2);
    expect(second).toEqual({ MajorVersion: first.MajorVersion, MinorVersion: first.MinorVersion + 1 });
    plant.change(plant.points.map((point) => (point.name === 'motor_current' ? { ...point, type: 'float32' as const } : point)));
    expect(version(3)).toEqual({ MajorVersion: second.MinorVersion + 1, MinorVersion: second.MinorVersion + 1 });
  });

  test('a type that the mapping does not know is that of the values, and any type once they differ', () => {
    const encoder = open();
    const type = (sequence: number, reading: TelemetryReading) =>
      metadataOf(parsed(encoder, [telemetry(sequence, [reading], { equipment: 'mixer-2' })]))[0]?.MetaData.Fields[0]?.BuiltInType;
    const { value: _, ...bad } = speed(0, { quality: 'bad', status: 'BadTimeout' });
    expect(type(1, bad)).toBe(24);
    expect(type(2, speed(1.5))).toBe(11);
    expect(type(3, speed('90071992547409.93', { type: 'decimal' }))).toBe(24);
    expect(type(4, speed(2))).toBeUndefined();
  });

  test('fields that differ only by their machine have ids of their own, the same after a restart', () => {
    const ids = () =>
      metadataOf(parsed(open(), [telemetry(1, [speed(1)], { equipment: 'a' }), telemetry(2, [speed(1)], { equipment: 'b' })])).map(
        ({ MetaData }) => MetaData.Fields[0]?.DataSetFieldId,
      );
    expect(new Set(ids()).size).toBe(2);
    expect(ids()).toEqual(ids());
  });

  test('too large, it goes without texts and properties; larger still, not at all', () => {
    const plant = new SamplePlant();
    plant.points = Array.from({ length: 50 }, (_, i) => ({
      name: `p${i}`,
      unit: 'Cel',
      type: 'float64' as const,
      description: 'x'.repeat(100),
    }));
    const fields = (maxBodyBytes: number) =>
      metadataOf(parsed(open({}, plant), [telemetry(1, [speed(1)])], { grain: 'batch', maxBodyBytes }))[0]?.MetaData.Fields[0];
    expect(fields(60_000)).toHaveProperty('Properties');
    expect(fields(6_000)).toEqual({ Name: 'p0', BuiltInType: 11, DataType: { Id: 11 }, ValueRank: -1 });
    expect(fields(1_000)).toBeUndefined();
  });
});

test('numbers of writers depend on their names alone', () => {
  const id = (name: string) => new WriterIds().of(name);
  expect(id('cooker-1')).toBe(1728);
  const ids = new WriterIds();
  const many = Array.from({ length: 5_000 }, (_, i) => ids.of(`machine-${i}`));
  expect(new Set(many).size).toBe(5_000);
  expect(many.every((each) => each >= 1 && each <= 65_535)).toBe(true);
});

test.for([
  {
    what: 'info bits',
    reading: { quality: 'bad', status: 'BadTimeout', statusCode: 0x800a0400 },
    code: { Code: 0x800a0400, Symbol: 'BadTimeout' },
  },
  {
    what: 'a name that only a library knows',
    reading: { quality: 'bad', status: 'BadTooManyOperations' },
    code: { Code: 0x80000000, Symbol: 'BadTooManyOperations' },
  },
  { what: 'no name', reading: { quality: 'uncertain' }, code: { Code: 0x40000000, Symbol: 'Uncertain' } },
  {
    what: 'a good one with something to say',
    reading: { status: 'GoodClamped', value: 1 },
    code: { Code: 0x00300000, Symbol: 'GoodClamped' },
  },
  { what: 'not one of the table', reading: { quality: 'bad', status: 'constructor' }, code: { Code: 0x80000000, Symbol: 'constructor' } },
] as const)('StatusCode: $what', ({ reading, code }) => {
  const [, data] = parsed(open(), [telemetry(1, [{ point: 'state', time: noon, ...reading }])]);
  expect(data.Messages[0].Payload.state.StatusCode).toEqual(code);
  expect('Value' in data.Messages[0].Payload.state).toBe('value' in reading);
});

test.for([
  { contentType: 'json', wanted: 'application/json' },
  { contentType: 'network-message', wanted: 'application/x-network-message-json-v1' },
])('content type: $contentType', ({ contentType, wanted }) => {
  expect(
    open({ contentType })
      .encode([telemetry(1, everyKind)], roomy)
      .map((message) => message.contentType),
  ).toEqual([wanted, wanted]);
});

test('publisher and group may have other names', () => {
  const [, data] = parsed(open({ publisherId: 'plc-7', writerGroupName: 'line' }), [telemetry(1, everyKind)]);
  expect(data).toMatchObject({ PublisherId: 'plc-7', WriterGroupName: 'line', MessageId: 'gw-leeds-1/8f3c/1' });
});

test('units have the code of UNECE Recommendation 20, or their UCUM text', () => {
  expect(engineeringUnit('Cel')).toEqual({
    NamespaceUri: 'http://www.opcfoundation.org/UA/units/un/cefact',
    UnitId: 4408652,
    DisplayName: { Text: 'Cel' },
  });
  expect(engineeringUnit('[foz_br]')).toEqual({ NamespaceUri: 'http://unitsofmeasure.org', UnitId: -1, DisplayName: { Text: '[foz_br]' } });
});
