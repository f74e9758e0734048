import { promisify } from 'node:util';
import { crc32, deflateRaw } from 'node:zlib';

const deflate = promisify(deflateRaw);

/** A ZIP archive (PKWARE APPNOTE 6.3.3, without ZIP64): deflated, names in UTF-8. At most 65535 entries and 4 GB. */
export async function zipOf(files: ReadonlyMap<string, string | Uint8Array>, time: Date): Promise<Buffer> {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of files) {
    const plain = Buffer.from(content as Uint8Array);
    const body = await deflate(plain);
    const path = Buffer.from(name);
    const shared = header(plain, body, path, time);
    const local = Buffer.concat([signature(0x04034b50), shared, path, body]);
    central.push(Buffer.concat([signature(0x02014b50), u16(madeBy), shared, tail(offset), path]));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  return Buffer.concat([...locals, directory, end(central.length, directory.length, offset)]);
}

/** Unix, version 2.0. */
const madeBy = 0x0314;
const utf8Names = 0x0800;
const deflated = 8;

/** §4.3.7 and §4.3.12 have this in common. */
function header(plain: Buffer, body: Buffer, path: Buffer, time: Date): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(utf8Names, 2);
  fields.writeUInt16LE(deflated, 4);
  fields.writeUInt16LE((time.getUTCHours() << 11) | (time.getUTCMinutes() << 5) | (time.getUTCSeconds() >> 1), 6);
  fields.writeUInt16LE(((time.getUTCFullYear() - 1980) << 9) | ((time.getUTCMonth() + 1) << 5) | time.getUTCDate(), 8);
  fields.writeUInt32LE(crc32(plain), 10);
  fields.writeUInt32LE(body.length, 14);
  fields.writeUInt32LE(plain.length, 18);
  fields.writeUInt16LE(path.length, 22);
  return fields;
}

/** §4.3.12 from the length of the comment on. */
function tail(offset: number): Buffer {
  const fields = Buffer.alloc(14);
  fields.writeUInt32LE((0o100644 << 16) >>> 0, 6);
  fields.writeUInt32LE(offset, 10);
  return fields;
}

/** §4.3.16. */
function end(entries: number, sizeBytes: number, offset: number): Buffer {
  const fields = Buffer.alloc(22);
  fields.writeUInt32LE(0x06054b50, 0);
  fields.writeUInt16LE(entries, 8);
  fields.writeUInt16LE(entries, 10);
  fields.writeUInt32LE(sizeBytes, 12);
  fields.writeUInt32LE(offset, 16);
  return fields;
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
