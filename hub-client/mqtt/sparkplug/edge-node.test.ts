import { describe, expect, test } from 'vitest';
import { NotConnectedError } from '../../../model/error.ts';
import type { TelemetryEvent } from '../../../model/telemetry.ts';
import { event, latest, machine, TestPlant } from '../testcases/plant.ts';
import { Host, type Read, read } from '../testcases/sparkplug-reader.ts';
import { EdgeNode, type EdgeNodeOptions } from './edge-node.ts';
import { namesOf } from './names.ts';

const bornMs = Date.UTC(2026, 10, 24, 8);
const lost = { quality: 'bad', status: 'BadNotConnected', reason: 'no route' } as const;

function nodeOf(plant: TestPlant, more: Partial<EdgeNodeOptions> = {}) {
  const said: Read[] = [];
  const host = new Host();
  const node = new EdgeNode({
    names: namesOf('g', 'n'),
    gateway: 'gw-1',
    source: '/a/gw-1',
    plant,
    bdSeq: 7,
    aliases: true,
    maxPayloadBytes: 100_000,
    publish(topic, payload) {
      const message = read({ cmd: 'publish', topic, payload: Buffer.from(payload), qos: 0, retain: false, dup: false });
      host.take(message);
      said.push(message);
    },
    now: () => bornMs,
    ...more,
  });
  const told = (): readonly string[] => said.splice(0).map(({ type, device }) => (device ? `${type} ${device}` : type));
  return { node, said, told, host };
}

describe('history', () => {
  test('what reached the gateway before the session, or is older than what the birth told; by the clock of the gateway', () => {
    const plant = new TestPlant();
    plant.set(machine('press-1', { a: {}, b: {} }));
    // The clock of the machine is an hour late.
    plant.readings.set('press-1', [latest('a', 1, { sourceTimeMs: bornMs - 3_600_000 })]);
    const { node, said, host } = nodeOf(plant);
    node.birth();
    const at = (ms: number): string => new Date(bornMs + ms).toISOString();
    const values = (time: string, received: string) =>
      event('press-1', { a: { value: 2, time, received }, b: { value: 3, time, received } });
    node.send([values(at(-3_600_500), at(-500)), values(at(-3_600_000 - 1), at(5)), values(at(-3_599_999), at(6))]);
    expect(
      said.filter(({ type }) => type === 'DDATA').map(({ metrics }) => metrics.map(({ isHistorical = false }) => isHistorical)),
    ).toEqual([
      [true, true],
      [true, false],
      [false, false],
    ]);
    expect(host.values.get('press-1/a')?.value).toBe(2);
  });

  test('of a machine that cannot be reached now: born for it, dead when it is over', () => {
    const plant = new TestPlant();
    plant.set(machine('press-1', { a: {} }), machine('oven-1', { t: {} }));
    plant.readings.set('press-1', [latest('a', undefined, { ...lost })]);
    const { node, told } = nodeOf(plant);
    node.birth();
    expect(told()).toEqual(['NBIRTH', 'DBIRTH oven-1']);
    expect(node.send([event('press-1', { a: 1 }, bornMs - 9_000), event('press-1', { a: 2 }, bornMs - 8_000)])).toBe(true);
    expect(node.send([event('press-1', { a: 3 }, bornMs - 7_000), event('press-1', { a: lost }, bornMs - 6_000)])).toBe(true);
    expect(told()).toEqual(['DBIRTH press-1', 'DDATA press-1', 'DDATA press-1', 'DDATA press-1', 'DDATA press-1']);
    expect(node.send([event('oven-1', { t: 1 }, bornMs + 1)])).toBe(false);
    expect(told()).toEqual(['DDATA oven-1', 'DDEATH press-1']);
    // A rebirth does not wake it.
    node.birth();
    expect(told()).toEqual(['NBIRTH', 'DBIRTH oven-1']);
  });

  test('and nothing follows: buried when the node rests', () => {
    const plant = new TestPlant();
    const { node, told } = nodeOf(plant);
    node.birth();
    expect(node.send([event('left-1', { a: 1 }, bornMs - 9_000)])).toBe(true);
    node.rest();
    expect(told()).toEqual(['NBIRTH', 'DBIRTH left-1', 'DDATA left-1', 'DDEATH left-1']);
  });
});

test('without aliases, data carries names', () => {
  const plant = new TestPlant();
  plant.set(machine('press-1', { a: {} }));
  const { node, said } = nodeOf(plant, { aliases: false });
  node.birth();
  node.send([event('press-1', { a: 1 }, bornMs + 1)]);
  expect(said.at(-1)?.metrics[0]).toMatchObject({ name: 'a', value: 1 });
  expect(said.at(-1)?.metrics[0]).not.toHaveProperty('alias');
});

test('aliases are one to one over node and devices, and stay over births', () => {
  const plant = new TestPlant();
  plant.set(machine('a', { x: {}, y: {} }), machine('b', { x: {} }));
  const { node, said } = nodeOf(plant);
  const aliases = (): unknown =>
    said.splice(0).flatMap(({ device, metrics }) => metrics.map(({ name, alias }) => `${device ?? ''}/${name} ${alias}`));
  node.birth();
  const first = aliases();
  node.birth();
  expect(aliases()).toEqual(first);
  plant.set(machine('b', { x: { unit: 'bar' } }), machine('a', { y: {}, x: {}, z: {} }));
  node.plantChanged();
  expect(aliases()).toEqual(['a/y 5', 'a/x 4', 'a/z 7', 'b/x 6']);
});

describe('qualities', () => {
  test.for([
    { reading: { value: 1 }, value: 1, quality: undefined },
    { reading: { value: 1, quality: 'uncertain', status: 'UncertainEngineeringUnitsExceeded' }, value: 1, quality: 500 },
    { reading: { quality: 'bad', status: 'BadNoData', reason: 'raw 65535' }, value: null, quality: 0 },
    { reading: { value: 1, quality: 'bad', status: 'BadSensorFailure' }, value: 1, quality: 0 },
  ] as const)('$reading: $quality', ({ reading, value, quality }) => {
    const plant = new TestPlant();
    plant.set(machine('press-1', { a: {} }));
    const { node, said } = nodeOf(plant);
    node.birth();
    node.send([event('press-1', { a: reading }, bornMs + 1)]);
    const metric = said.at(-1)?.metrics[0];
    expect(metric?.value).toBe(value);
    expect(metric?.properties?.Quality?.value).toBe(quality);
  });
});

describe('a broker that limits packets', () => {
  test('data is parted; a single reading beyond it is refused, the others go', () => {
    const plant = new TestPlant();
    const names = Array.from({ length: 20 }, (_, i) => `p${i}`);
    plant.set(machine('press-1', Object.fromEntries(names.map((name) => [name, { type: 'string' }]))));
    const { node, said, told } = nodeOf(plant, { maxPayloadBytes: 1_000 });
    node.birth();
    told();
    node.send([event('press-1', Object.fromEntries(names.map((name) => [name, 'x'.repeat(100)])), bornMs + 1)]);
    expect(said.flatMap(({ metrics }) => metrics)).toHaveLength(20);
    expect(said.length).toBeGreaterThan(2);
    said.length = 0;
    const events = [event('press-1', { p0: 'a', p1: 'x'.repeat(2_000), p2: 'c' }, bornMs + 2), event('press-1', { p3: 'd' }, bornMs + 3)];
    expect(() => node.send(events)).toThrow(expect.objectContaining({ code: 'message-too-large', retry: 'never' }));
    expect(said.flatMap(({ metrics }) => metrics.map(({ value }) => value))).toEqual(['a', 'c', 'd']);
  });

  test('a birth beyond it needs a person', () => {
    const plant = new TestPlant();
    plant.set(machine('press-1', Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`point_${i}`, {}]))));
    const { node } = nodeOf(plant, { maxPayloadBytes: 1_000 });
    expect(() => node.birth()).toThrow(NotConnectedError);
    expect(() => node.birth()).toThrow(expect.objectContaining({ code: 'hub-birth-too-large', retry: 'after-fix' }));
  });
});

test('an event that is none is refused, the others go', () => {
  const plant = new TestPlant();
  const { node, said } = nodeOf(plant);
  node.birth();
  const broken = { ...event('press-1', {}), data: { equipment: 'press-1', readings: undefined } } as unknown as TelemetryEvent;
  expect(() => node.send([broken, event('press-1', { a: 1 })])).toThrow(
    expect.objectContaining({ code: 'message-format', retry: 'never' }),
  );
  expect(said.at(-2)?.metrics).toMatchObject([{ value: 1 }]);
});

test('times before 1970 and ids with slashes do no harm', () => {
  const plant = new TestPlant();
  plant.set(machine('hall/press', { a: {} }));
  plant.readings.set('hall/press', [latest('a', 1, { sourceTimeMs: -5 })]);
  const { node, said } = nodeOf(plant);
  node.birth();
  node.send([event('hall/press', { a: 1 }, -1_000)]);
  expect(said.at(-1)).toMatchObject({ device: 'hall%2Fpress', metrics: [{ timestamp: 0 }] });
});
