/**
 * Writes the AMQP 1.0 types that a telemetry message needs (part 1 §1.6 of the standard), each as the bytes that stand for it.
 * Own code because the library picks a wire type by the JavaScript value, and copies a body three times.
 */

export const nothing = Uint8Array.of(0x40);
export const yes = Uint8Array.of(0x41);

/** UTF-8, str8 or str32. */
export const string = (text: string): Uint8Array => variable(0xa1, 0xb1, Buffer.from(text, 'utf8'));

/** ASCII, sym8 or sym32; anything else becomes a question mark. */
export const symbol = (text: string): Uint8Array => variable(0xa3, 0xb3, Buffer.from(text.replace(/[^\x20-\x7e]/g, '?'), 'latin1'));

/** Milliseconds since 1970. */
export function timestamp(ms: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0x83;
  bytes.writeBigInt64BE(BigInt(Math.trunc(ms)), 1);
  return bytes;
}

/** list32 in a described type; trailing nothings are left out. */
export function composite(descriptor: number, fields: readonly Uint8Array[]): Uint8Array {
  let count = fields.length;
  while (count > 0 && fields[count - 1] === nothing) count--;
  return described(descriptor, collection(0xd0, fields.slice(0, count), count));
}

/** map32 in a described type: keys and values in turn. */
export const mapSection = (descriptor: number, entries: readonly Uint8Array[]): Uint8Array =>
  described(descriptor, collection(0xd1, entries, entries.length));

/** What stands before the bytes of a data section (§3.2.6): the descriptor and the length of a vbin32. */
export function dataHead(length: number): Uint8Array {
  const head = Buffer.alloc(8);
  head.set([0x00, 0x53, 0x75, 0xb0]);
  head.writeUInt32BE(length, 4);
  return head;
}

const described = (descriptor: number, value: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(0x00, 0x53, descriptor), value]);

function variable(short: number, long: number, bytes: Buffer): Uint8Array {
  if (bytes.length < 256) return Buffer.concat([Uint8Array.of(short, bytes.length), bytes]);
  const head = Buffer.alloc(5);
  head[0] = long;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function collection(code: number, items: readonly Uint8Array[], count: number): Uint8Array {
  const head = Buffer.alloc(9);
  head[0] = code;
  head.writeUInt32BE(4 + items.reduce((sum, item) => sum + item.byteLength, 0), 1);
  head.writeUInt32BE(count, 5);
  return Buffer.concat([head, ...items]);
}
