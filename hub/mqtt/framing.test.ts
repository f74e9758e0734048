import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PacketFramer } from './framing.ts';

const packet = (length: number, fill: number): Buffer => {
  const header = [0x30];
  let rest = length;
  do {
    header.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(header), Buffer.alloc(length, fill)]);
};

test('packets come out whole, however the bytes were cut', () => {
  const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 16_380, max: 16_390 })), {
    minLength: 1,
    maxLength: 8,
  });
  fc.assert(
    fc.property(lengths, fc.array(fc.integer({ min: 1, max: 9_000 }), { minLength: 1, maxLength: 30 }), (sizes, cuts) => {
      const sent = sizes.map((size, index) => packet(size, index));
      const stream = Buffer.concat(sent);
      const framer = new PacketFramer(100_000);
      const got: Buffer[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = cuts[i % cuts.length] as number;
        framer.push(stream.subarray(at, at + size), (whole) => got.push(Buffer.from(whole)));
        at += size;
      }
      expect(got.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
      expect(Buffer.concat(got).equals(stream)).toBe(true);
      expect(framer.waitingSinceMs).toBeUndefined();
    }),
  );
});

test('a length over the limit is refused before anything is collected', () => {
  const framer = new PacketFramer(1_000);
  expect(() => framer.push(packet(998, 0).subarray(0, 3), () => {})).toThrow(/1001 bytes; at most 1000/);
});
