import type { RawValue, Scalar } from '../../model/value.ts';
import { bytePlaces } from './byte-order.ts';
import { encodeDatetime } from './datetime.ts';
import { type ModbusType, type RegisterForm, typeShape } from './types.ts';

/**
 * The registers of a value, as bytes on the wire; the reverse of `decoderOf`.
 * RangeError when the value does not fit its type.
 */
export function encodeRegisters(form: RegisterForm, value: RawValue): Buffer {
  if (form.array) {
    const per = typeShape(form.type).registers!;
    return Buffer.concat((value as readonly Scalar[]).map((v) => encodeRegisters({ ...form, count: per, array: false }, v)));
  }
  const plain = bigEndian(form.type, form.count * 2, value);
  const wire = Buffer.alloc(plain.length);
  bytePlaces(form.byteOrder, plain.length).forEach((place, i) => {
    wire[place] = plain[i]!;
  });
  return wire;
}

function bigEndian(type: ModbusType, size: number, value: RawValue): Buffer {
  const out = Buffer.alloc(size);
  switch (type) {
    case 'bool':
      out.writeUInt16BE(value ? 1 : 0);
      break;
    case 'int8':
      out.writeInt8(whole(value), 1);
      break;
    case 'uint8':
      out.writeUInt8(whole(value), 1);
      break;
    case 'int16':
      out.writeInt16BE(whole(value));
      break;
    case 'uint16':
      out.writeUInt16BE(whole(value));
      break;
    case 'int32':
      out.writeInt32BE(whole(value));
      break;
    case 'uint32':
      out.writeUInt32BE(whole(value));
      break;
    case 'int64':
      out.writeBigInt64BE(BigInt(value as bigint));
      break;
    case 'uint64':
      out.writeBigUInt64BE(BigInt(value as bigint));
      break;
    case 'float32':
      out.writeFloatBE(Number(value));
      break;
    case 'float64':
      out.writeDoubleBE(Number(value));
      break;
    case 'bcd16':
    case 'bcd32':
      bcd(out, whole(value));
      break;
    case 'mod10k':
      mod10k(out, BigInt(value as bigint));
      break;
    case 'string':
      padded(out, Buffer.from(String(value), 'utf8'));
      break;
    case 'bytes':
      padded(out, value as Uint8Array);
      break;
    case 'datetime-unix32':
      out.writeUInt32BE(Math.floor(Date.parse(String(value)) / 1000));
      break;
    case 'datetime-unix64':
      out.writeBigUInt64BE(BigInt(Date.parse(String(value))));
      break;
    default:
      out.set(encodeDatetime(type.slice('datetime-'.length) as 'iec870' | 's7' | 'ymdhms', String(value)));
  }
  return out;
}

function whole(value: RawValue): number {
  const number = Number(value);
  if (!Number.isInteger(number)) throw new RangeError(`${String(value)} is not a whole number`);
  return number;
}

function bcd(out: Buffer, value: number): void {
  const digits = String(value).padStart(out.length * 2, '0');
  if (value < 0 || digits.length > out.length * 2) throw new RangeError(`${value} does not fit ${out.length * 2} BCD digits`);
  out.write(digits, 'hex');
}

/** The sign stands in the first register that is not zero. */
function mod10k(out: Buffer, value: bigint): void {
  let rest = value < 0n ? -value : value;
  let first = -1;
  for (let i = out.length - 2; i >= 0; i -= 2) {
    const part = Number(rest % 10_000n);
    rest /= 10_000n;
    out.writeInt16BE(part, i);
    if (part !== 0) first = i;
  }
  if (rest > 0n) throw new RangeError(`${value} does not fit ${out.length / 2} registers of four digits`);
  if (value < 0n) out.writeInt16BE(-out.readInt16BE(first), first);
}

function padded(out: Buffer, bytes: Uint8Array): void {
  if (bytes.length > out.length) throw new RangeError(`${bytes.length} bytes do not fit ${out.length / 2} registers`);
  out.set(bytes);
}
