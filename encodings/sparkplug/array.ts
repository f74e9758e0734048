import { datatypes } from './datatype.ts';
import type { ArrayElement } from './message.ts';

interface ElementForm {
  readonly size: number;
  read(view: DataView, at: number): number | bigint;
  write(view: DataView, at: number, element: never): void;
}

function element<T extends number | bigint>(
  size: number,
  read: (this: DataView, at: number, littleEndian: true) => T,
  write: (this: DataView, at: number, element: T, littleEndian: true) => void,
): ElementForm {
  return { size, read: (view, at) => read.call(view, at, true), write: (view, at, value) => write.call(view, at, value, true) };
}

const { prototype: view } = DataView;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Little-endian, one after the other (Sparkplug 3.0 §6.4.17). */
const forms: Readonly<Record<number, ElementForm>> = {
  [datatypes.Int8Array]: element(1, view.getInt8, view.setInt8),
  [datatypes.Int16Array]: element(2, view.getInt16, view.setInt16),
  [datatypes.Int32Array]: element(4, view.getInt32, view.setInt32),
  [datatypes.Int64Array]: element(8, view.getBigInt64, view.setBigInt64),
  [datatypes.UInt8Array]: element(1, view.getUint8, view.setUint8),
  [datatypes.UInt16Array]: element(2, view.getUint16, view.setUint16),
  [datatypes.UInt32Array]: element(4, view.getUint32, view.setUint32),
  [datatypes.UInt64Array]: element(8, view.getBigUint64, view.setBigUint64),
  [datatypes.FloatArray]: element(4, view.getFloat32, view.setFloat32),
  [datatypes.DoubleArray]: element(8, view.getFloat64, view.setFloat64),
  [datatypes.DateTimeArray]: element(8, view.getBigUint64, view.setBigUint64),
};

/** The elements of an array in `bytes_value`; undefined when the bytes are none. Allocates no more than the bytes can hold. */
export function unpackArray(datatype: number, bytes: Uint8Array): ArrayElement[] | undefined {
  if (datatype === datatypes.BooleanArray) return unpackBooleans(bytes);
  if (datatype === datatypes.StringArray) return unpackStrings(bytes);
  const form = forms[datatype];
  if (!form || bytes.length % form.size !== 0) return undefined;
  const at = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / form.size }, (_, i) => form.read(at, i * form.size));
}

/** The reverse; undefined for a datatype that is no array. Elements must have the form of the datatype. */
export function packArray(datatype: number, elements: readonly ArrayElement[]): Uint8Array | undefined {
  if (datatype === datatypes.BooleanArray) return packBooleans(elements);
  if (datatype === datatypes.StringArray) return new TextEncoder().encode(elements.map((text) => `${text}\0`).join(''));
  const form = forms[datatype];
  if (!form) return undefined;
  const at = new DataView(new ArrayBuffer(elements.length * form.size));
  for (const [i, value] of elements.entries()) form.write(at, i * form.size, value as never);
  return new Uint8Array(at.buffer);
}

/** A count in four bytes, then one bit each, the first in the highest bit. */
function unpackBooleans(bytes: Uint8Array): boolean[] | undefined {
  if (bytes.length < 4) return undefined;
  const count = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  if (bytes.length - 4 !== Math.ceil(count / 8)) return undefined;
  return Array.from({ length: count }, (_, i) => (bytes[4 + (i >> 3)]! & (0x80 >> (i & 7))) !== 0);
}

function packBooleans(elements: readonly ArrayElement[]): Uint8Array {
  const bytes = new Uint8Array(4 + Math.ceil(elements.length / 8));
  new DataView(bytes.buffer).setUint32(0, elements.length, true);
  elements.forEach((on, i) => {
    if (on === true) bytes[4 + (i >> 3)]! |= 0x80 >> (i & 7);
  });
  return bytes;
}

/** Each text ends in a zero byte; some writers leave the last one out. */
function unpackStrings(bytes: Uint8Array): string[] {
  if (bytes.length === 0) return [];
  const texts = utf8.decode(bytes).split('\0');
  return bytes.at(-1) === 0 ? texts.slice(0, -1) : texts;
}
