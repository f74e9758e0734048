// Not by payload.ts: `dragoman check` reads samples and loads no protobuf library.
import { datatypeName, datatypes } from '../../../encodings/sparkplug/datatype.ts';
import type { ArrayElement, Metric, MetricValue } from '../../../encodings/sparkplug/message.ts';
import { typedValue, ValueMismatch } from '../../../encodings/sparkplug/value.ts';
import { shortestFloat32 } from '../../../model/float32.ts';
import type { SampleState } from '../../../model/sample.ts';
import { statuses } from '../../../model/status.ts';
import type { RawValue, Scalar, ValueType } from '../../../model/value.ts';

/** What a metric says, as a sample. */
export interface MetricSample {
  readonly value: RawValue | undefined;
  readonly state: SampleState | undefined;
  readonly type: ValueType | undefined;
}

const types: Readonly<Record<number, ValueType>> = {
  [datatypes.Int8]: 'int8',
  [datatypes.Int16]: 'int16',
  [datatypes.Int32]: 'int32',
  [datatypes.Int64]: 'int64',
  [datatypes.UInt8]: 'uint8',
  [datatypes.UInt16]: 'uint16',
  [datatypes.UInt32]: 'uint32',
  [datatypes.UInt64]: 'uint64',
  [datatypes.Float]: 'float32',
  [datatypes.Double]: 'float64',
  [datatypes.Boolean]: 'bool',
  [datatypes.String]: 'string',
  [datatypes.DateTime]: 'datetime',
  [datatypes.Text]: 'string',
  [datatypes.UUID]: 'string',
  [datatypes.Bytes]: 'bytes',
  [datatypes.File]: 'bytes',
};

/** The datatype of an array's elements: Int8Array (22) to Boolean (11), String (12) and DateTime (13). */
const elementTypes: Readonly<Record<number, number>> = Object.fromEntries(
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map((scalar, i) => [datatypes.Int8Array + i, scalar]),
);

const isNull: SampleState = { status: statuses.BadNoData, reason: 'the metric is null' };
const noValue: SampleState = { status: statuses.BadNoData, reason: 'the metric came without a value' };
const bad: SampleState = { status: statuses.Bad, reason: 'the node gives it quality 0, bad' };
const stale: SampleState = { status: statuses.UncertainLastUsableValue, reason: 'the node gives it quality 500, stale' };

/** Reads a metric whose birth gave it `datatype`. Never throws: what cannot be read is a bad sample that says why. */
export function readMetric(metric: Metric, datatype: number | undefined): MetricSample {
  const { value } = metric;
  const is = metric.datatype ?? datatype;
  const state = qualityOf(metric);
  if (metric.isNull === true) return none(isNull);
  if (metric.fault !== undefined) return none({ status: statuses.BadDataEncodingInvalid, reason: metric.fault });
  if (value === undefined) return none(noValue);
  if (state !== undefined && state.status.code >>> 31 === 1) return none(state);
  if (is === datatypes.DataSet || is === datatypes.Template) return none(structure(metric, is));
  try {
    return formed(is === undefined ? value : typedValue(is, value), is, state);
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error;
    return none({ status: statuses.BadTypeMismatch, reason: error.message });
  }
}

const none = (state: SampleState): MetricSample => ({ value: undefined, state, type: undefined });

/** Property `Quality`, Int32: 0 bad, 192 good, 500 stale (Sparkplug 3.0 §6.4.18); other numbers as OPC DA has them. */
function qualityOf({ properties }: Metric): SampleState | undefined {
  const quality = properties?.Quality?.value;
  if (quality === undefined || quality === 192) return undefined;
  if (quality === 0) return bad;
  if (quality === 500) return stale;
  const reason = `the node gives it quality ${String(quality)}`;
  if (typeof quality !== 'number' || quality < 64) return { status: statuses.Bad, reason };
  return quality < 192 ? { status: statuses.Uncertain, reason } : undefined;
}

function formed(value: MetricValue, datatype: number | undefined, state: SampleState | undefined): MetricSample {
  if (Array.isArray(value)) {
    const of = datatype === undefined ? undefined : elementTypes[datatype];
    const elements = (value as readonly ArrayElement[]).map((element) => scalar(element, of));
    return { value: elements, state, type: of === undefined ? undefined : types[of] };
  }
  if (value instanceof Uint8Array) return { value, state, type: 'bytes' };
  if (typeof value === 'object') return none({ status: statuses.BadNotSupported, reason: 'a structure, which a point cannot hold' });
  return { value: scalar(value as ArrayElement, datatype), state, type: datatype === undefined ? undefined : types[datatype] };
}

function scalar(value: ArrayElement, datatype: number | undefined): Scalar {
  if (datatype === datatypes.Float && typeof value === 'number') return shortestFloat32(value);
  if (datatype === datatypes.DateTime) return isoText(value);
  return value;
}

/** The last millisecond that ISO 8601 can say with four digits of a year. */
const lastMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function isoText(value: ArrayElement): string {
  const ms = Number(value);
  if (!(ms >= 0 && ms <= lastMs)) throw new ValueMismatch(`${String(value)} ms is no DateTime that can be written`);
  return new Date(ms).toISOString();
}

function structure({ name = '', value }: Metric, datatype: number): SampleState {
  const members = typeof value === 'object' && 'metrics' in value ? value.metrics.flatMap((each) => each.name ?? []) : [];
  const hint = members.length > 0 ? `; its members are points of their own, such as ${name}/${members[0]}` : '';
  return { status: statuses.BadNotSupported, reason: `a ${datatypeName(datatype)} does not fit a point${hint}` };
}

/**
 * The metrics of a payload with those inside of templates beside them, as `Motor/Speed`: a template is a structure, and a point takes a
 * member of it. Definitions (`_types_/…`) describe and carry no values. Depth is bounded.
 */
export function flatten(metrics: readonly Metric[], nameOf: (metric: Metric) => string | undefined, depth = 4): readonly Metric[] {
  if (!metrics.some(hasMembers)) return metrics;
  return metrics.flatMap((metric): readonly Metric[] => {
    if (!hasMembers(metric)) return [metric];
    if (metric.value.isDefinition === true) return [];
    const name = nameOf(metric);
    if (depth === 0 || name === undefined) return [metric];
    const { timestamp, isHistorical } = metric;
    const inherited = { ...(timestamp !== undefined && { timestamp }), ...(isHistorical !== undefined && { isHistorical }) };
    const members = metric.value.metrics.map(({ alias: _, ...each }) => ({ ...inherited, ...each, name: `${name}/${each.name ?? ''}` }));
    return [metric, ...flatten(members, (each) => each.name, depth - 1)];
  });
}

function hasMembers(metric: Metric): metric is Metric & { readonly value: Extract<MetricValue, { readonly metrics: readonly Metric[] }> } {
  return typeof metric.value === 'object' && 'metrics' in metric.value;
}
