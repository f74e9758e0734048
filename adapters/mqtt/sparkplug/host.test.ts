import { describe, expect, test } from 'vitest';
import { datatypes, encodePayload, type Metric } from '../../../encodings/sparkplug/payload.ts';
import { Batches } from '../batches.ts';
import { Machines } from '../machines.ts';
import { SparkplugHost } from './host.ts';
import type { MetricPoint } from './source.ts';

/** A host with some points, fed by hand. */
function bench(points: Readonly<Record<string, { topic?: string; metric: string }>>) {
  const names = Object.keys(points);
  const machines = new Machines(names, { maxPoints: 100, maxEquipment: 100 });
  const batches = new Batches(machines);
  const asked: string[] = [];
  const metricPoints = Object.values(points).map(
    ({ topic = 'spBv1.0/leeds/+/press-7', metric }, index): MetricPoint => ({ index, topic, metric }),
  );
  const host = new SparkplugHost({
    points: metricPoints,
    machines,
    askRebirth: (group, node) => asked.push(`${group}/${node}`),
    onBirth: () => {},
  });
  const appeared = [...names];
  /** Gives `name=value` or `name!status` for each sample, and the losses. */
  const say = (topic: string, payload: Parameters<typeof encodePayload>[0] | Uint8Array, receivedMs = 1_000_000) => {
    const bytes = payload instanceof Uint8Array ? payload : encodePayload(payload, { datatypes: !topic.includes('/NDATA/') });
    const packet = { topic, payload: bytes, qos: 0, retain: false, messageId: 0, userProperties: undefined, receivedMs } as const;
    expect(host.take(packet, batches)).toBe(true);
    const out = batches.finish(receivedMs);
    return {
      samples: out.flatMap((batch) => {
        for (const { captures } of batch.appeared ?? []) appeared.push(Object.values(captures).join('_'));
        return Array.from(batch.points, (index, k) => {
          const state = batch.states?.[k];
          return `${appeared[index]}${batch.values[k] === undefined ? `!${state?.status.name}` : `=${String(batch.values[k])}`}`;
        });
      }),
      times: out.flatMap(({ sourceTimesMs }) => Array.from(sourceTimesMs ?? [])),
      reasons: out.flatMap(({ states }) => Array.from(states ?? [], (state) => state?.reason)),
      lost: out.flatMap(({ lost = [] }) => lost.map(({ reason, count }) => `${reason}: ${count}`)),
      machines: out.map(({ machine }) => machine),
    };
  };
  return { say, asked, host, batches };
}

const node = (type: string): string => `spBv1.0/leeds/${type}/press-7`;
const device = (type: string): string => `${node(type)}/drive`;
const int = (name: string, value: number, more: Partial<Metric> = {}): Metric => ({ name, datatype: datatypes.Int32, value, ...more });
const byAlias = (alias: bigint, value: number): Metric => ({ alias, datatype: datatypes.Int32, value });
const bdSeq = (value: number): Metric => ({ name: 'bdSeq', datatype: datatypes.Int64, value: BigInt(value) });

describe('births and data', () => {
  test('a birth gives current values, data goes by alias', () => {
    const { say, asked } = bench({ speed: { metric: 'Motor/Speed' } });
    expect(say(node('NBIRTH'), { seq: 0n, metrics: [bdSeq(3), int('Motor/Speed', 10, { alias: 7n })] }).samples).toEqual(['speed=10']);
    expect(say(node('NDATA'), { seq: 1n, metrics: [byAlias(7n, -10)] }).samples).toEqual(['speed=-10']);
    expect(asked).toEqual([]);
  });

  test('64-bit integers are exact, nulls have no value, quality counts', () => {
    const { say } = bench({ batch: { metric: 'Batch' }, temp: { metric: 'Temp' } });
    const quality = (value: number) => ({ properties: { Quality: { type: datatypes.Int32, value } } });
    const birth: Metric[] = [
      { name: 'Batch', datatype: datatypes.UInt64, value: 18_446_744_073_709_551_615n },
      { name: 'Temp', datatype: datatypes.Float, value: Math.fround(231.7), ...quality(500) },
    ];
    const born = say(node('NBIRTH'), { seq: 0n, metrics: birth });
    expect(born.samples).toEqual(['batch=18446744073709551615', 'temp=231.7']);
    expect(born.reasons).toEqual([undefined, 'the node gives it quality 500, stale']);
    const data: Metric[] = [
      { name: 'Batch', isNull: true },
      { name: 'Temp', datatype: datatypes.Float, value: 1, ...quality(0) },
    ];
    expect(say(node('NDATA'), { seq: 1n, metrics: data }).samples).toEqual(['batch!BadNoData', 'temp!Bad']);
  });

  test('a metric that the birth does not name is bad with the name that was meant', () => {
    const { say } = bench({ speed: { metric: 'Motor/Sped' } });
    const born = say(node('NBIRTH'), { seq: 0n, metrics: [int('Motor/Speed', 1)] });
    expect(born.samples).toEqual(['speed!BadNotFound']);
    expect(born.reasons).toEqual(['the birth of leeds/press-7 has no metric "Motor/Sped"; did you mean "Motor/Speed"?']);
  });

  test('a placeholder takes all metrics but those of the protocol; devices are machines', () => {
    const topic = 'spBv1.0/leeds/+/{node}/{device}';
    const { say } = bench({ '{metric}': { topic, metric: 'In/{metric}' } });
    say(node('NBIRTH'), { seq: 0n, metrics: [bdSeq(0)] });
    const born = say(device('DBIRTH'), {
      seq: 1n,
      metrics: [int('In/A', 1), int('Out/B', 2), int('Device Control/Rebirth', 0), int('In/Deep/C', 3)],
    });
    expect(born.samples).toEqual(['A=1', 'Deep/C=3']);
    expect(born.machines).toEqual([{ device: 'drive', node: 'press-7' }]);
  });

  test('members of a template are metrics of their own', () => {
    const { say } = bench({ speed: { metric: 'Motor/Speed' }, motor: { metric: 'Motor' } });
    const motor: Metric = {
      name: 'Motor',
      alias: 1n,
      datatype: datatypes.Template,
      value: { templateRef: 'motor', metrics: [int('Speed', 5)] },
    };
    expect(say(node('NBIRTH'), { seq: 0n, metrics: [motor] })).toMatchObject({
      samples: ['motor!BadNotSupported', 'speed=5'],
      reasons: ['a Template does not fit a point; its members are points of their own, such as Motor/Speed', undefined],
    });
    const later: Metric = { alias: 1n, datatype: datatypes.Template, value: { templateRef: 'motor', metrics: [int('Speed', 6)] } };
    expect(say(node('NDATA'), { seq: 1n, metrics: [later] }).samples).toEqual(['motor!BadNotSupported', 'speed=6']);
  });

  test('history comes with its own time, and the newest value is said again behind it', () => {
    const { say } = bench({ speed: { metric: 'Speed' } });
    say(node('NBIRTH'), { seq: 0n, timestamp: 5_000n, metrics: [int('Speed', 1, { timestamp: 5_000n })] });
    const late = say(node('NDATA'), {
      seq: 1n,
      metrics: [int('Speed', 8, { isHistorical: true, timestamp: 1_000n }), int('Speed', 9, { isHistorical: true, timestamp: 2_000n })],
    });
    expect(late.samples).toEqual(['speed=8', 'speed=9', 'speed=1']);
    expect(late.times).toEqual([1_000, 2_000, 5_000]);
  });
});

describe('what goes wrong', () => {
  test('data before a birth is lost and said, and the node is asked', () => {
    const { say, asked } = bench({ speed: { metric: 'Speed' } });
    const { samples, lost } = say(node('NDATA'), { seq: 4n, metrics: [byAlias(1n, 3)] });
    expect(samples).toEqual([]);
    expect(lost).toEqual(['data of leeds/press-7 came before its Sparkplug birth: 1']);
    expect(asked).toEqual(['leeds/press-7']);
  });

  test('an unknown alias does not take the known ones down', () => {
    const { say, asked } = bench({ speed: { metric: 'Speed' } });
    say(node('NBIRTH'), { seq: 0n, metrics: [int('Speed', 1, { alias: 1n })] });
    const { samples, lost } = say(node('NDATA'), {
      seq: 1n,
      metrics: [byAlias(9n, 3), byAlias(1n, 4)],
    });
    expect(samples).toEqual(['speed=4']);
    expect(lost).toEqual(['leeds/press-7 sent metrics that its Sparkplug birth did not name: 1']);
    expect(asked).toHaveLength(1);
  });

  test('a hole in the numbers is a loss, over node and devices together; 255 is followed by 0', () => {
    const { say, asked } = bench({ speed: { metric: 'Speed' } });
    say(node('NBIRTH'), { seq: 0n, metrics: [int('Speed', 1)] });
    say(device('DBIRTH'), { seq: 1n, metrics: [] });
    const numbers = [2n, 3n, 7n, 8n, 254n, 255n, 0n, 1n].map((seq) => say(device('DDATA'), { seq, metrics: [] }).lost);
    expect(numbers.map((lost) => lost[0])).toEqual([
      undefined,
      undefined,
      'messages of the Sparkplug node leeds/press-7 are missing: 3',
      undefined,
      'messages of the Sparkplug node leeds/press-7 are missing: 245',
      undefined,
      undefined,
      undefined,
    ]);
    expect(asked).toHaveLength(2);
  });

  test('the death of a device makes its points bad at the time of its death, those of the node stay', () => {
    const { say } = bench({ speed: { metric: 'Speed' }, torque: { topic: 'spBv1.0/leeds/+/press-7/drive', metric: 'Torque' } });
    say(node('NBIRTH'), { seq: 0n, metrics: [int('Speed', 1)] });
    say(device('DBIRTH'), { seq: 1n, metrics: [int('Torque', 2)] });
    const death = say(device('DDEATH'), { seq: 2n, timestamp: 1_795_507_201_000n, metrics: [] });
    expect(death.samples).toEqual(['torque!BadNoCommunication']);
    expect(death.times).toEqual([1_795_507_201_000]);
    expect(death.reasons).toEqual(['the node leeds/press-7 lost its device drive (DDEATH at 2026-11-24T08:00:01.000Z)']);
  });

  test('the death of a node takes its devices along; that of an older connection does nothing', () => {
    const { say } = bench({ speed: { metric: 'Speed' }, torque: { topic: 'spBv1.0/leeds/+/press-7/drive', metric: 'Torque' } });
    say(node('NBIRTH'), { seq: 0n, metrics: [bdSeq(4), int('Speed', 1)] });
    say(device('DBIRTH'), { seq: 1n, metrics: [int('Torque', 2)] });
    expect(say(node('NDEATH'), { metrics: [bdSeq(3)] }).samples).toEqual([]);
    expect(say(node('NDEATH'), { metrics: [bdSeq(4)] }).samples).toEqual(['speed!BadNoCommunication', 'torque!BadNoCommunication']);
    expect(say(node('NBIRTH'), { seq: 0n, metrics: [bdSeq(5), int('Speed', 2)] }).samples).toEqual(['speed=2']);
  });

  test('bytes that are no payload are a loss', () => {
    const { say, asked } = bench({ speed: { metric: 'Speed' } });
    expect(say(node('NDATA'), Uint8Array.of(0xff, 0xff, 0xff)).lost).toMatchObject([expect.stringMatching(/not a Sparkplug B payload/)]);
    expect(asked).toHaveLength(1);
  });

  test('retained messages are of another time', () => {
    const { host, batches } = bench({ speed: { metric: 'Speed' } });
    const payload = encodePayload({ seq: 0n, metrics: [int('Speed', 1)] });
    const packet = {
      topic: node('NBIRTH'),
      payload,
      qos: 0,
      retain: true,
      messageId: 0,
      userProperties: undefined,
      receivedMs: 0,
    } as const;
    expect(host.take(packet, batches)).toBe(true);
    expect(batches.finish(0)).toEqual([]);
  });
});
