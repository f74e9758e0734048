import { BinaryReader } from '@bufbuild/protobuf/wire';
import {
  type ArrayElement,
  type DataSet,
  type MetaData,
  type Metric,
  type MetricValue,
  type PropertySet,
  type PropertyValue,
  type SparkplugPayload,
  SparkplugPayloadError,
  type Template,
  type TemplateParameter,
} from './message.ts';
import { typedValue, ValueMismatch } from './value.ts';

/** Templates in templates, property sets in property sets; deeper is an attack or a mistake. */
const maxDepth = 16;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Reads a Sparkplug B payload. Fields that the standard does not name are skipped. A single value that does not fit its datatype leaves its
 * metric with a `fault`; bytes that are no such message throw SparkplugPayloadError. Time and memory are linear in the length of `bytes`.
 * Values of Bytes and File, and `body`, are views of `bytes`, not copies.
 */
export function decodePayload(bytes: Uint8Array): SparkplugPayload {
  try {
    return payload(new BinaryReader(bytes));
  } catch (error) {
    if (error instanceof SparkplugPayloadError || error instanceof TypeError) throw error;
    throw new SparkplugPayloadError(error instanceof Error ? error.message : String(error), error);
  }
}

function payload(reader: BinaryReader): SparkplugPayload {
  const metrics: Metric[] = [];
  const read: Mutable<SparkplugPayload> = { metrics };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag) {
      case 8: // timestamp = 1, varint
        read.timestamp = uint64(reader);
        break;
      case 18:
        metrics.push(metric(reader, 0));
        break;
      case 24:
        read.seq = uint64(reader);
        break;
      case 34:
        read.uuid = reader.string();
        break;
      case 42:
        read.body = reader.bytes();
        break;
      default:
        skip(reader, tag);
    }
  }
  return read;
}

function metric(reader: BinaryReader, depth: number): Metric {
  const end = endOfMessage(reader, depth);
  const read: Mutable<Metric> = {};
  let value: MetricValue | undefined;
  let fault: string | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 10:
        read.name = reader.string();
        break;
      case 16:
        read.alias = uint64(reader);
        break;
      case 24:
        read.timestamp = uint64(reader);
        break;
      case 32:
        read.datatype = reader.uint32();
        break;
      case 40:
        read.isHistorical = reader.bool();
        break;
      case 48:
        read.isTransient = reader.bool();
        break;
      case 56:
        read.isNull = reader.bool();
        break;
      case 66:
        read.metadata = metadata(reader, depth + 1);
        break;
      case 74:
        read.properties = propertySet(reader, depth + 1);
        break;
      case 80:
        value = reader.uint32();
        break;
      case 88:
        value = uint64(reader);
        break;
      case 101:
        value = reader.float();
        break;
      case 105:
        value = reader.double();
        break;
      case 112:
        value = reader.bool();
        break;
      case 122:
        value = reader.string();
        break;
      case 130:
        value = reader.bytes();
        break;
      case 138: {
        const read = dataSet(reader, depth + 1);
        value = typeof read === 'string' ? undefined : read;
        fault = typeof read === 'string' ? read : undefined;
        break;
      }
      case 146:
        value = template(reader, depth + 1);
        break;
      default:
        skip(reader, tag);
    }
  }
  endReached(reader, end);
  if (read.isNull === true) return read;
  if (fault !== undefined) read.fault = fault;
  else if (value !== undefined) give(read, read.datatype, value);
  return read;
}

/** Sets `value` in the form of its datatype, or `fault`. */
function give(target: { value?: unknown; fault?: string }, datatype: number | undefined, value: MetricValue): void {
  try {
    target.value = datatype === undefined ? value : typedValue(datatype, value);
  } catch (error) {
    if (!(error instanceof ValueMismatch)) throw error;
    target.fault = error.message;
  }
}

function metadata(reader: BinaryReader, depth: number): MetaData {
  const end = endOfMessage(reader, depth);
  const read: Mutable<MetaData> = {};
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 8:
        read.isMultiPart = reader.bool();
        break;
      case 18:
        read.contentType = reader.string();
        break;
      case 24:
        read.size = uint64(reader);
        break;
      case 32:
        read.seq = uint64(reader);
        break;
      case 42:
        read.fileName = reader.string();
        break;
      case 50:
        read.fileType = reader.string();
        break;
      case 58:
        read.md5 = reader.string();
        break;
      case 66:
        read.description = reader.string();
        break;
      default:
        skip(reader, tag);
    }
  }
  endReached(reader, end);
  return read;
}

/** Keys and values stand in two lists; what has no partner is left out. */
function propertySet(reader: BinaryReader, depth: number): PropertySet {
  const end = endOfMessage(reader, depth);
  const keys: string[] = [];
  const values: PropertyValue[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) keys.push(reader.string());
    else if (tag === 18) values.push(propertyValue(reader, depth + 1));
    else skip(reader, tag);
  }
  endReached(reader, end);
  if (keys.length > values.length) keys.length = values.length;
  // fromEntries defines own properties, so that a key `__proto__` is only a key.
  return Object.fromEntries(keys.map((key, i) => [key, values[i]!]));
}

function propertyValue(reader: BinaryReader, depth: number): PropertyValue {
  const end = endOfMessage(reader, depth);
  const read: Mutable<PropertyValue> = {};
  let scalar: ArrayElement | undefined;
  let sets: PropertySet | readonly PropertySet[] | undefined;
  while (reader.pos < end) {
    const tag = reader.uint32();
    switch (tag) {
      case 8:
        read.type = reader.uint32();
        break;
      case 16:
        read.isNull = reader.bool();
        break;
      case 24:
        scalar = reader.uint32();
        break;
      case 32:
        scalar = uint64(reader);
        break;
      case 45:
        scalar = reader.float();
        break;
      case 49:
        scalar = reader.double();
        break;
      case 56:
        scalar = reader.bool();
        break;
      case 66:
        scalar = reader.string();
        break;
      case 74:
        sets = propertySet(reader, depth + 1);
        break;
      case 82:
        sets = propertySetList(reader, depth + 1);
        break;
      default:
        skip(reader, tag);
    }
  }
  endReached(reader, end);
  if (read.isNull === true) return read;
  if (sets !== undefined) read.value = sets;
  else if (scalar !== undefined) give(read, read.type, scalar);
  return read;
}

function propertySetList(reader: BinaryReader, depth: number): readonly PropertySet[] {
  const end = endOfMessage(reader, depth);
  const sets: PropertySet[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) sets.push(propertySet(reader, depth + 1));
    else skip(reader, tag);
  }
  endReached(reader, end);
  return sets;
}

/** A text instead of a data set says what is wrong with it. */
function dataSet(reader: BinaryReader, depth: number): DataSet | string {
  const end = endOfMessage(reader, depth);
  const columns: string[] = [];
  const types: number[] = [];
  const rows: (readonly (ArrayElement | undefined)[])[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 18) columns.push(reader.string());
    else if (tag === 24) types.push(reader.uint32());
    else if (tag === 26) packedTypes(reader, types);
    else if (tag === 34) rows.push(row(reader, depth + 1));
    else skip(reader, tag); // num_of_columns (1) too: the columns themselves are counted
  }
  endReached(reader, end);
  if (types.length !== columns.length) return `a data set of ${columns.length} columns and ${types.length} types`;
  const short = rows.findIndex((cells) => cells.length !== columns.length);
  if (short >= 0) return `row ${short} of a data set has ${rows[short]?.length} of ${columns.length} cells`;
  try {
    return { columns, types, rows: rows.map((cells) => cells.map((cell, i) => typedCell(types[i]!, cell))) };
  } catch (error) {
    if (error instanceof ValueMismatch) return error.message;
    throw error;
  }
}

function typedCell(type: number, cell: ArrayElement | undefined): ArrayElement | undefined {
  return cell === undefined ? undefined : (typedValue(type, cell) as ArrayElement);
}

/** proto2 writes one by one, other writers pack them; a reader takes both. */
function packedTypes(reader: BinaryReader, into: number[]): void {
  const end = endOfMessage(reader, 0);
  while (reader.pos < end) into.push(reader.uint32());
  endReached(reader, end);
}

function row(reader: BinaryReader, depth: number): readonly (ArrayElement | undefined)[] {
  const end = endOfMessage(reader, depth);
  const cells: (ArrayElement | undefined)[] = [];
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) cells.push(scalarMessage(reader, depth + 1, 1).value);
    else skip(reader, tag);
  }
  endReached(reader, end);
  return cells;
}

/** DataSetValue (`first` 1) and Template.Parameter (`first` 3) hold the same six kinds of value, numbered from `first`. */
function scalarMessage(reader: BinaryReader, depth: number, first: number): { name?: string; type?: number; value?: ArrayElement } {
  const end = endOfMessage(reader, depth);
  const read: { name?: string; type?: number; value?: ArrayElement } = {};
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = (tag >>> 3) - first;
    if (field < 0 && tag === 10) read.name = reader.string();
    else if (field < 0 && tag === 16) read.type = reader.uint32();
    else if (field === 0 && (tag & 7) === 0) read.value = reader.uint32();
    else if (field === 1 && (tag & 7) === 0) read.value = uint64(reader);
    else if (field === 2 && (tag & 7) === 5) read.value = reader.float();
    else if (field === 3 && (tag & 7) === 1) read.value = reader.double();
    else if (field === 4 && (tag & 7) === 0) read.value = reader.bool();
    else if (field === 5 && (tag & 7) === 2) read.value = reader.string();
    else skip(reader, tag);
  }
  endReached(reader, end);
  return read;
}

function template(reader: BinaryReader, depth: number): Template {
  const end = endOfMessage(reader, depth);
  const metrics: Metric[] = [];
  const parameters: TemplateParameter[] = [];
  const read: Mutable<Template> = { metrics };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) read.version = reader.string();
    else if (tag === 18) metrics.push(metric(reader, depth + 1));
    else if (tag === 26) parameters.push(parameter(reader, depth + 1));
    else if (tag === 34) read.templateRef = reader.string();
    else if (tag === 40) read.isDefinition = reader.bool();
    else skip(reader, tag);
  }
  endReached(reader, end);
  if (parameters.length > 0) read.parameters = parameters;
  return read;
}

function parameter(reader: BinaryReader, depth: number): TemplateParameter {
  const { value, ...read }: Mutable<TemplateParameter> = scalarMessage(reader, depth, 3);
  if (value !== undefined) give(read, read.type, value);
  return read;
}

/** Reads the length of a nested message; gives where it ends. */
function endOfMessage(reader: BinaryReader, depth: number): number {
  if (depth > maxDepth) throw new SparkplugPayloadError(`nested deeper than ${maxDepth}`);
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new SparkplugPayloadError(`ends at byte ${reader.len}, in the middle of a field`);
  return end;
}

function endReached(reader: BinaryReader, end: number): void {
  if (reader.pos !== end) throw new SparkplugPayloadError(`a field reaches beyond its message at byte ${end}`);
}

function uint64(reader: BinaryReader): bigint {
  return BigInt(reader.uint64());
}

function skip(reader: BinaryReader, tag: number): void {
  if (tag >>> 3 === 0) throw new SparkplugPayloadError(`field number 0 before byte ${reader.pos}`);
  reader.skip(tag & 7, tag >>> 3, 32);
}
