import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { packArray } from './array.ts';
import { datatypeName, datatypes, smallIntegers } from './datatype.ts';
import type {
  ArrayElement,
  DataSet,
  MetaData,
  Metric,
  MetricValue,
  PropertySet,
  PropertyValue,
  SparkplugPayload,
  Template,
  TemplateParameter,
} from './message.ts';
import { typedValue, ValueMismatch } from './value.ts';

export interface EncodePayloadOptions {
  /**
   * `false` leaves the datatypes of metrics out, as Sparkplug 3.0 advises for data and commands (the birth said them).
   * Default true: several consumers cannot read a metric without it.
   */
  readonly datatypes?: boolean;
}

/**
 * Writes a Sparkplug B payload. A metric with a value needs a datatype, and the value its form (see MetricValue); what does not fit
 * throws a RangeError that names the metric. UInt32 leaves as long_value, as the reference implementation, Ignition and most hosts read it.
 */
export function encodePayload(payload: SparkplugPayload, options: EncodePayloadOptions = {}): Uint8Array {
  const writer = new BinaryWriter();
  if (payload.timestamp !== undefined) writer.uint32(8).uint64(payload.timestamp);
  const withDatatypes = options.datatypes ?? true;
  for (const each of payload.metrics) metric(writer.uint32(18), each, withDatatypes);
  if (payload.seq !== undefined) writer.uint32(24).uint64(payload.seq);
  if (payload.uuid !== undefined) writer.uint32(34).string(payload.uuid);
  if (payload.body !== undefined) writer.uint32(42).bytes(payload.body);
  return writer.finish();
}

/** One metric as it stands in `metrics` of a payload, tag and length included: for those who fill messages up to a size. */
export function encodeMetric(each: Metric): Uint8Array {
  const writer = new BinaryWriter();
  metric(writer.uint32(18), each, true);
  return writer.finish();
}

/** Field numbers of the kinds of value, which differ from message to message; bytes, data sets and templates are only in a metric. */
interface ValueFields {
  readonly int: number;
  readonly long: number;
  readonly float: number;
  readonly double: number;
  readonly boolean: number;
  readonly string: number;
}

const fieldsFrom = (first: number): ValueFields => ({
  int: first << 3,
  long: (first + 1) << 3,
  float: ((first + 2) << 3) | 5,
  double: ((first + 3) << 3) | 1,
  boolean: (first + 4) << 3,
  string: ((first + 5) << 3) | 2,
});
const inMetric = fieldsFrom(10);
const inProperty = fieldsFrom(3);
const inParameter = fieldsFrom(3);
const inCell = fieldsFrom(1);

function metric(writer: BinaryWriter, each: Metric, withDatatype: boolean): void {
  writer.fork();
  if (each.name !== undefined) writer.uint32(10).string(each.name);
  if (each.alias !== undefined) writer.uint32(16).uint64(each.alias);
  if (each.timestamp !== undefined) writer.uint32(24).uint64(each.timestamp);
  if (each.datatype !== undefined && withDatatype) writer.uint32(32).uint32(each.datatype);
  if (each.isHistorical !== undefined) writer.uint32(40).bool(each.isHistorical);
  if (each.isTransient !== undefined) writer.uint32(48).bool(each.isTransient);
  if (each.isNull !== undefined) writer.uint32(56).bool(each.isNull);
  if (each.metadata !== undefined) metadata(writer.uint32(66), each.metadata);
  if (each.properties !== undefined) propertySet(writer.uint32(74), each.properties);
  if (each.value !== undefined && each.isNull !== true) metricValue(writer, each, each.value);
  writer.join();
}

function metricValue(writer: BinaryWriter, each: Metric, value: MetricValue): void {
  const what = `metric ${each.name ?? each.alias ?? '?'}`;
  if (each.datatype === undefined) throw new RangeError(`${what} has a value and no datatype`);
  if (each.datatype === datatypes.DataSet) dataSet(writer.uint32(138), checked(each.datatype, value, what) as DataSet);
  else if (each.datatype === datatypes.Template) template(writer.uint32(146), checked(each.datatype, value, what) as Template);
  else if (Array.isArray(value)) writer.uint32(130).bytes(packed(each.datatype, value, what));
  else if (value instanceof Uint8Array) writer.uint32(130).bytes(checked(each.datatype, value, what) as Uint8Array);
  else scalar(writer, inMetric, each.datatype, value as ArrayElement, what);
}

/** The value, which must have the form of its datatype already. */
function checked<T extends MetricValue>(datatype: number, value: T, what: string): T {
  let typed: MetricValue;
  try {
    typed = typedValue(datatype, value);
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error;
    throw new RangeError(`${what}: ${error.message}`);
  }
  if (!Object.is(typed, value)) throw new RangeError(`${what}: ${String(value)} is no ${datatypeName(datatype)}`);
  return value;
}

function scalar(writer: BinaryWriter, fields: ValueFields, datatype: number, value: ArrayElement, what: string): void {
  checked(datatype, value, what);
  if (typeof value === 'string') writer.uint32(fields.string).string(value);
  else if (typeof value === 'boolean') writer.uint32(fields.boolean).bool(value);
  else if (typeof value === 'bigint') writer.uint32(fields.long).uint64(BigInt.asUintN(64, value));
  else if (datatype === datatypes.UInt32) writer.uint32(fields.long).uint64(value);
  else if (datatype === datatypes.Float) writer.uint32(fields.float).float(float32(value, what));
  else if (smallIntegers[datatype]) writer.uint32(fields.int).uint32(value >>> 0);
  else writer.uint32(fields.double).double(value);
}

/** Datatypes of the elements of the arrays, from Int8Array on. */
const elementTypes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];

function packed(datatype: number, elements: readonly ArrayElement[], what: string): Uint8Array {
  const elementType = elementTypes[datatype - datatypes.Int8Array];
  if (elementType === undefined) throw new RangeError(`${what}: an array instead of ${datatypeName(datatype)}`);
  for (const element of elements) {
    checked(elementType, element, what);
    if (elementType === datatypes.Float) float32(element as number, what);
    if (typeof element === 'string' && element.includes('\0')) throw new RangeError(`${what}: a text of a StringArray holds a zero byte`);
  }
  return packArray(datatype, elements)!;
}

function float32(value: number, what: string): number {
  if (Number.isFinite(value) && !Number.isFinite(Math.fround(value))) throw new RangeError(`${what}: ${value} is beyond Float`);
  return value;
}

function metadata(writer: BinaryWriter, data: MetaData): void {
  writer.fork();
  if (data.isMultiPart !== undefined) writer.uint32(8).bool(data.isMultiPart);
  if (data.contentType !== undefined) writer.uint32(18).string(data.contentType);
  if (data.size !== undefined) writer.uint32(24).uint64(data.size);
  if (data.seq !== undefined) writer.uint32(32).uint64(data.seq);
  if (data.fileName !== undefined) writer.uint32(42).string(data.fileName);
  if (data.fileType !== undefined) writer.uint32(50).string(data.fileType);
  if (data.md5 !== undefined) writer.uint32(58).string(data.md5);
  if (data.description !== undefined) writer.uint32(66).string(data.description);
  writer.join();
}

function propertySet(writer: BinaryWriter, set: PropertySet): void {
  writer.fork();
  const entries = Object.entries(set);
  for (const [key] of entries) writer.uint32(10).string(key);
  for (const [key, value] of entries) propertyValue(writer.uint32(18), value, `property ${key}`);
  writer.join();
}

function propertyValue(writer: BinaryWriter, { type, isNull, value }: PropertyValue, what: string): void {
  writer.fork();
  if (type !== undefined) writer.uint32(8).uint32(type);
  if (isNull !== undefined) writer.uint32(16).bool(isNull);
  if (value !== undefined && isNull !== true) {
    if (type === undefined) throw new RangeError(`${what} has a value and no type`);
    if (Array.isArray(value)) propertySetList(writer.uint32(82), value);
    else if (typeof value === 'object') propertySet(writer.uint32(74), value as PropertySet);
    else scalar(writer, inProperty, type, value, what);
  }
  writer.join();
}

function propertySetList(writer: BinaryWriter, sets: readonly PropertySet[]): void {
  writer.fork();
  for (const set of sets) propertySet(writer.uint32(10), set);
  writer.join();
}

function dataSet(writer: BinaryWriter, { columns, types, rows }: DataSet): void {
  writer.fork();
  writer.uint32(8).uint64(columns.length);
  for (const column of columns) writer.uint32(18).string(column);
  for (const type of types) writer.uint32(24).uint32(type);
  for (const cells of rows) {
    writer.uint32(34).fork();
    cells.forEach((cell, i) => {
      writer.uint32(10).fork();
      if (cell !== undefined) scalar(writer, inCell, types[i] ?? datatypes.Unknown, cell, `column ${columns[i]}`);
      writer.join();
    });
    writer.join();
  }
  writer.join();
}

function template(writer: BinaryWriter, each: Template): void {
  writer.fork();
  if (each.version !== undefined) writer.uint32(10).string(each.version);
  for (const inner of each.metrics) metric(writer.uint32(18), inner, true);
  for (const inner of each.parameters ?? []) parameter(writer.uint32(26), inner);
  if (each.templateRef !== undefined) writer.uint32(34).string(each.templateRef);
  if (each.isDefinition !== undefined) writer.uint32(40).bool(each.isDefinition);
  writer.join();
}

function parameter(writer: BinaryWriter, { name, type, value }: TemplateParameter): void {
  writer.fork();
  if (name !== undefined) writer.uint32(10).string(name);
  if (type !== undefined) writer.uint32(16).uint32(type);
  if (value !== undefined) scalar(writer, inParameter, type ?? datatypes.Unknown, value, `parameter ${name}`);
  writer.join();
}
