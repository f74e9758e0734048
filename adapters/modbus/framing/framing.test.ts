import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Framing, framings } from '../settings.ts';
import { crc16, lrc } from './crc.ts';
import { framerFor } from './framer.ts';
import type { Expected, FrameSink } from './framing.ts';
import { RtuRequestFramer } from './rtu-request.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test.for([
  ['01 03 00 00 00 02', 'c40b'],
  ['11 03 00 6B 00 03', '7687'],
  ['01 83 02', 'c0f1'],
  ['01 04 00 34 00 02', '3005'],
])('CRC of %s is %s on the wire', ([body, check]) => {
  const bytes = hex(body!);
  const wire = Buffer.alloc(2);
  wire.writeUInt16LE(crc16(bytes, 0, bytes.length));
  expect(wire.toString('hex')).toBe(check);
});

test('LRC of the standard is the two’s complement of the sum', () => {
  expect(lrc(hex('02 01 00 00 00 08'), 0, 6)).toBe(0xf5);
});

interface Heard {
  readonly frames: string[];
  garbage: number;
  broken: string | undefined;
}

function listen(framing: Framing, chunks: readonly Uint8Array[], expected?: Expected): Heard {
  const heard: Heard = { frames: [], garbage: 0, broken: undefined };
  const sink: FrameSink = {
    frame: (unit, transaction, bytes, start, end) =>
      heard.frames.push(`${unit}/${transaction} ${Buffer.from(bytes.subarray(start, end)).toString('hex')}`),
    garbage: (bytes) => {
      heard.garbage += bytes;
    },
    broken: (reason) => {
      heard.broken = reason;
    },
  };
  const framer = framerFor(framing);
  for (const chunk of chunks) {
    framer.push(chunk, expected, sink);
    if (heard.broken) break;
  }
  return heard;
}

const asked: Expected = { unitId: 1, functionCode: 3, byteCount: 4 };
const answer = hex('03 04 43 66 66 66');

describe('requests on the wire', () => {
  const pdu = hex('03 00 6B 00 03');
  test.for<[Framing, string]>([
    ['tcp', hex('12 34 00 00 00 06 11 03 00 6B 00 03').toString('hex')],
    ['rtu', hex('11 03 00 6B 00 03 76 87').toString('hex')],
    ['rtu-over-tcp', hex('11 03 00 6B 00 03 76 87').toString('hex')],
    ['ascii', Buffer.from(':1103006B00037E\r\n').toString('hex')],
  ])('%s', ([framing, wire]) => {
    expect(framerFor(framing).encode(0x11, 0x1234, pdu).toString('hex')).toBe(wire);
  });
});

describe.for([...framings])('%s', (framing) => {
  const whole = framerFor(framing).encode(1, 7, answer);
  const transaction = framing === 'tcp' ? 7 : -1;
  const frame = `1/${transaction} ${answer.toString('hex')}`;

  test('finds a frame however it is cut', () => {
    for (let cut = 0; cut <= whole.length; cut++) {
      expect(listen(framing, [whole.subarray(0, cut), whole.subarray(cut)], asked).frames).toEqual([frame]);
    }
    expect(
      listen(
        framing,
        [...whole].map((byte) => Uint8Array.of(byte)),
        asked,
      ).frames,
    ).toEqual([frame]);
  });

  test('finds several frames in one chunk, and the half one after them', () => {
    const three = Buffer.concat([whole, whole, whole]);
    expect(listen(framing, [three.subarray(0, three.length - 3), three.subarray(three.length - 3)], asked).frames).toEqual([
      frame,
      frame,
      frame,
    ]);
  });

  test('a flipped bit never leaves a frame that was not sent', () => {
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      // TCP has no check of its own; the bus judges unit, function and length, and TCP itself the rest.
      const frames = listen(framing, [damaged], asked).frames.filter((f) => framing !== 'tcp' && f !== frame);
      // ASCII reads hex digits of either case.
      expect(frames).toEqual([]);
    }
  });

  test('never throws, whatever comes in whatever pieces, and finds its feet again where the framing can', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 8 }), (chunks) => {
        const heard = listen(framing, chunks, asked);
        if (framing === 'tcp' || framing === 'ascii') return;
        const frames = listen(framing, [...chunks, whole], asked).frames;
        expect(frames.length).toBeGreaterThanOrEqual(heard.frames.length);
        expect(frames.at(-1)).toBe(frame);
      }),
      { numRuns: 300 },
    );
  });
});

describe('Modbus TCP', () => {
  test.for<[string, string, RegExp]>([
    ['a foreign protocol id', '0007 0001 0003 01 83 02', /protocol id 1/],
    ['a length of 255', '0007 0000 00ff 01 83 02', /length 255/],
    ['a length of 65535', '0007 0000 ffff 01 83 02', /length 65535/],
    ['a length that holds no function', '0007 0000 0001 01 83 02', /length 1/],
    ['a web server', Buffer.from('HTTP/1.1 400 Bad Request\r\n').toString('hex'), /protocol id/],
  ])('%s breaks the link', ([, bytes, why]) => {
    const wire = hex(bytes);
    expect(listen('tcp', [wire]).broken).toMatch(why);
    expect(
      listen(
        'tcp',
        [...wire].map((byte) => Uint8Array.of(byte)),
      ).broken,
    ).toMatch(why);
  });
});

describe('RTU', () => {
  const rtu = framerFor('rtu');
  test('skips noise, the echo of its own request and the answers of other machines', () => {
    const noise = hex('00 ff 01 03 ff');
    const echo = rtu.encode(1, 0, hex('03 00 64 00 02'));
    const other = rtu.encode(9, 0, hex('03 02 00 01'));
    const mine = rtu.encode(1, 0, answer);
    expect(listen('rtu', [Buffer.concat([noise, echo, mine])], asked).frames).toContain(`1/-1 ${answer.toString('hex')}`);
    expect(listen('rtu', [other, mine], asked).frames).toEqual([`9/-1 03020001`, `1/-1 ${answer.toString('hex')}`]);
  });

  test('takes an exception for what it is', () => {
    expect(listen('rtu', [hex('01 83 02 C0 F1')], asked).frames).toEqual(['1/-1 8302']);
  });

  test('as a machine hears it: requests in any pieces, between noise', () => {
    const framer = new RtuRequestFramer();
    const frames: string[] = [];
    const sink: FrameSink = {
      frame: (unit, _t, b, s, e) => frames.push(`${unit} ${Buffer.from(b.subarray(s, e)).toString('hex')}`),
      garbage() {},
      broken() {},
    };
    const stream = Buffer.concat([
      hex('ff 00'),
      rtu.encode(17, 0, hex('03 00 6b 00 03')),
      hex('42'),
      rtu.encode(1, 0, hex('10 00 01 00 01 02 00 07')),
      Buffer.alloc(9),
    ]);
    for (const byte of stream) framer.push(Uint8Array.of(byte), undefined, sink);
    expect(frames).toEqual(['17 03006b0003', '1 10000100010200 07'.replace(' 07', '07')]);
  });
});
