import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shortestFloat32 } from './float32.ts';

test.each([[231.7], [230.4], [0.1], [1e-7], [3.4e38], [-12.25], [123.456], [1e20], [16777216], [0.3]])(
  '%d comes back as a person wrote it',
  (written) => {
    expect(shortestFloat32(Math.fround(written))).toBe(written);
  },
);

test('whatever is printed reads back as the same 32-bit float, in at most 9 digits', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (value) => {
      const short = shortestFloat32(value);
      expect(Math.fround(short)).toBe(value);
      if (Number.isFinite(value) && !Number.isInteger(value)) expect(Number(short.toPrecision(9))).toBe(short);
    }),
  );
});
