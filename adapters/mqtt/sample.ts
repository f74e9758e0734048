import { datatypes } from '../../encodings/sparkplug/datatype.ts';
import type { Metric, MetricValue } from '../../encodings/sparkplug/message.ts';
import type { PlacedPoint, RawSample, SampleReport } from '../../mappings/language.ts';
import type { PayloadAddress } from '../payload/address.ts';
import { type GivenMessage, payloadSample } from '../payload/sample.ts';
import { showNode } from '../payload/states.ts';
import type { MqttAddress } from './address.ts';
import type { MqttSettings } from './settings.ts';
import { readMetric } from './sparkplug/metric.ts';
import { parseFilter } from './topic.ts';
import { TopicTree } from './topic-tree.ts';

type Placed = PlacedPoint<MqttAddress>;

/**
 * `given: { plant/l1/temp: { value: 21.5 } }`: messages by their topic, in the order in which they come; user properties with them as
 * `{ body: …, properties: { … } }`. Sparkplug metrics are given by name: `{ Motor/Speed: 96.5 }` or `{ Motor/Speed: { value: 5, type: Int16 } }`.
 */
export function mqttSample(
  given: Readonly<Record<string, unknown>>,
  points: readonly Placed[],
  _settings: MqttSettings,
  report: SampleReport,
): ReadonlyMap<string, RawSample> {
  const samples = new Map<string, RawSample>();
  const metrics = new Map(points.flatMap((point) => (point.address.metric === undefined ? [] : [[point.address.metric, point] as const])));
  const payloads = points.filter(({ address }) => address.payload);
  const tree = new TopicTree<Placed>();
  for (const point of payloads) tree.add(parseFilter(point.address.topic), point);
  const messages: GivenMessage<MqttAddress>[] = [];
  for (const [entry, value] of Object.entries(given)) {
    const metric = metrics.get(entry);
    const reached = metric ? [] : tree.match(entry).map((found) => found.entry);
    if (metric) readGivenMetric(metric, value, entry, report, samples);
    else if (reached.length > 0) messages.push(messageOf(entry, value, new Set(reached)));
    else {
      const hint = payloads.length > 0 ? `Write a topic that matches ${payloads[0]!.address.topic}` : 'Write the name of a metric as in at';
      report(entry, { rule: 'mqtt-given', message: `"${entry}" is neither a topic nor a metric of a point`, hint });
    }
  }
  for (const [name, sample] of payloadSample(messages, payloads, ({ payload }) => payload as PayloadAddress, report))
    samples.set(name, sample);
  return samples;
}

/** A group with nothing but `body` and `properties` is a message; any other is its body. */
function messageOf(entry: string, value: unknown, reached: ReadonlySet<Placed>): GivenMessage<MqttAddress> {
  const reaches = (point: Placed): boolean => reached.has(point);
  if (isGroup(value) && 'properties' in value && Object.keys(value).every((key) => key === 'body' || key === 'properties')) {
    return { entry, body: value.body, reaches, properties: isGroup(value.properties) ? value.properties : {} };
  }
  return { entry, body: value, reaches };
}

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

function readGivenMetric({ name }: Placed, written: unknown, entry: string, report: SampleReport, samples: Map<string, RawSample>): void {
  const { value, type, quality } = isGroup(written) ? written : { value: written, type: undefined, quality: undefined };
  const datatype = type === undefined ? undefined : (datatypes as Readonly<Record<string, number>>)[String(type)];
  if (type !== undefined && datatype === undefined) {
    report(entry, {
      rule: 'mqtt-given',
      message: `"${String(type)}" is no Sparkplug datatype`,
      hint: 'Write Int32, UInt64, Double, Boolean, String, DateTime …',
    });
    return;
  }
  const metric: Metric = {
    name: entry,
    ...(datatype !== undefined && { datatype }),
    ...(value === null ? { isNull: true } : { value: exactOf(value, datatype) }),
    ...(typeof quality === 'number' && { properties: { Quality: { type: datatypes.Int32, value: quality } } }),
  };
  const read = readMetric(metric, datatype);
  samples.set(name, {
    raw: read.value,
    shown: read.value === undefined ? (read.state?.reason ?? 'nothing') : `${entry} = ${showNode(read.value as never)}`,
    ...(read.type !== undefined && { type: read.type }),
    ...(read.state !== undefined && { state: read.state }),
  });
}

/** 64-bit integers may be written in quotes, times as ISO 8601. */
function exactOf(value: unknown, datatype: number | undefined): MetricValue {
  if (datatype === datatypes.DateTime && (typeof value === 'string' || value instanceof Date))
    return BigInt(new Date(value).getTime() || 0);
  const is64 = datatype === datatypes.Int64 || datatype === datatypes.UInt64;
  if (is64 && typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value);
  return value as MetricValue;
}
