import { z } from 'zod';
import type { CompiledAddress, PointSource, Report } from '../../mappings/language.ts';
import { placeholdersOf } from '../../mappings/patterns.ts';
import type { PayloadAddress } from '../payload/address.ts';
import { compilePayloadPoint } from '../payload/compile.ts';
import { bodyFormats } from '../payload/contract.ts';
import { payloadPointKeys } from '../payload/keys.ts';
import type { MqttSettings } from './settings.ts';
import { sparkplugTopicProblem } from './sparkplug/topic.ts';
import { filterProblem, parseFilter } from './topic.ts';

const { body: _, ...payloadKeys } = payloadPointKeys;

export const MqttPoint = z.strictObject({
  topic: z
    .string()
    .max(65_535)
    .optional()
    .describe('Topic filter; + is any level, # all that follow, {name} a level that names point or machine'),
  payload: z
    .enum([...bodyFormats, 'sparkplug'])
    .optional()
    .describe('How the message is written: json (default), text, csv, binary, xml, sparkplug'),
  ...payloadKeys,
});

/** One point, decided. Plain data. */
export type MqttAddress = { readonly topic: string } & (
  | { readonly payload: PayloadAddress; readonly metric?: undefined }
  /** Name of a Sparkplug metric; may hold one `{placeholder}`. */
  | { readonly metric: string; readonly payload?: undefined }
);

/** Reads `topic`, `at` and the payload keys of a point. */
export function compilePoint(source: PointSource<MqttSettings>, report: Report): CompiledAddress<MqttAddress> | undefined {
  const isSparkplug = (source.own.payload ?? (source.settings?.sparkplug?.edgeNode === undefined ? 'json' : 'sparkplug')) === 'sparkplug';
  const topic = topicOf(source, isSparkplug, report);
  if (isSparkplug) return compileMetric(source, topic, report);
  const payload = compilePayloadPoint(source, report, { bodyKey: 'payload' });
  if (topic === undefined || payload === undefined) return undefined;
  const { captures } = parseFilter(topic);
  return { address: { topic, payload: payload.address }, rawType: payload.rawType, captures };
}

function topicOf({ name, own, settings }: PointSource<MqttSettings>, isSparkplug: boolean, report: Report): string | undefined {
  const written = own.topic as string | undefined;
  const { group, edgeNode, device } = settings?.sparkplug ?? {};
  const said = isSparkplug && group !== undefined ? `spBv1.0/${group}/+/${edgeNode}${device === undefined ? '' : `/${device}`}` : undefined;
  const topic = written ?? said ?? settings?.topic;
  if (topic === undefined) {
    // Settings that are wrong themselves have been reported.
    if (settings) {
      const hint = isSparkplug
        ? 'Write connection.sparkplug: { group, edgeNode }, or topic: spBv1.0/GROUP/+/NODE'
        : `Write topic: plant/line-1/${name}`;
      report('topic', { rule: 'mqtt-topic', message: `${name} has no topic`, hint });
    }
    return undefined;
  }
  const problem = filterProblem(topic) ?? (isSparkplug ? sparkplugTopicProblem(topic) : undefined);
  if (!problem) return topic;
  report('topic', { rule: 'mqtt-topic', ...problem });
  return undefined;
}

function compileMetric(
  source: PointSource<MqttSettings>,
  topic: string | undefined,
  report: Report,
): CompiledAddress<MqttAddress> | undefined {
  const { name, at, own } = source;
  let sound = true;
  const wrong = (key: string, rule: string, message: string, hint: string): void => {
    sound = false;
    report(key, { rule, message, hint });
  };
  for (const key of Object.keys(payloadKeys)) {
    if (own[key] !== undefined)
      wrong(key, 'sparkplug-key', `${key} has no meaning for a Sparkplug metric, which says by itself`, `Leave ${key} out`);
  }
  if (source.write) wrong('write', 'payload-read-only', `${name} comes with messages, which are only received`, 'Remove write');
  const inTopic = topic === undefined ? [] : parseFilter(topic).captures;
  const open = placeholdersOf(name).filter((each) => !inTopic.includes(each));
  const metric = at ?? (open.length === 1 ? `{${open[0]}}` : undefined);
  if (metric === undefined) {
    wrong(
      'at',
      'sparkplug-metric',
      'at is missing',
      'Write the name of the metric: at: Motor/Speed; or name the point {metric} to take them all',
    );
    return undefined;
  }
  const inMetric = placeholdersOf(metric);
  if (metric === '') wrong('at', 'sparkplug-metric', 'at: a metric has a name', 'Write the name of the metric as in its birth');
  if (inMetric.length > 1)
    wrong('at', 'sparkplug-metric', `at: "${metric}" has more than one placeholder`, 'One stands for the rest of the name: Motor/{metric}');
  const twice = inMetric.find((each) => inTopic.includes(each));
  if (twice !== undefined) wrong('at', 'sparkplug-metric', `at: {${twice}} stands in the topic too`, 'Give each placeholder its own name');
  if (!sound || topic === undefined) return undefined;
  return { address: { topic, metric }, rawType: undefined, captures: [...inTopic, ...inMetric] };
}
