import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainOf } from './batches.ts';
import { decodeHeader, encodeBlock, entriesOf, headerBytes, payloadIsSound } from './block.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 400 }),
  fc.integer({ min: 1, max: 3000 }).map((n) => 'ab°'.repeat(n)),
);
const oneEvent = fc.record({
  text,
  readings: fc.nat(5_000),
  fromMs: fc.integer({ min: 0, max: 4e12 }),
  lasts: fc.nat(100_000),
});
const numbers = { firstSequence: 2 ** 40, ordinal: 77, readingsBefore: 2 ** 45, lastGapId: 5, writtenMs: 1.8e12, gap: undefined };

function encode(events: readonly { text: string; readings: number; fromMs: number; lasts: number }[]) {
  const texts = events.map((e) => JSON.stringify(e.text));
  const table = Float64Array.from(events.flatMap((e, i) => [Buffer.byteLength(texts[i]!), e.readings, e.fromMs, e.fromMs + e.lasts]));
  const joined = texts.length === 1 ? texts[0]! : `[${texts.join(',')}]`;
  return { texts, block: encodeBlock({ ...numbers, plain: Buffer.from(joined), table }) };
}

test('a block gives back its header, its text and its events', () => {
  fc.assert(
    fc.property(fc.array(oneEvent, { minLength: 1, maxLength: 20 }), (events) => {
      const { texts, block } = encode(events);
      const { header, headerPart, meta, body, plain } = block;
      expect(decodeHeader(headerPart)).toEqual(header);
      expect(payloadIsSound(header, Buffer.concat([meta, body]))).toBe(true);
      expect(Buffer.from(plainOf({ header, meta, body }))).toEqual(plain);
      let at = events.length > 1 ? 1 : 0;
      entriesOf(header, meta).forEach((entry, i) => {
        const { readings, fromMs, lasts } = events[i]!;
        expect(entry).toEqual({ bytes: Buffer.byteLength(texts[i]!), readings, fromMs, toMs: fromMs + lasts });
        expect(plain.subarray(at, at + entry.bytes).toString()).toBe(texts[i]!.toWellFormed());
        at += entry.bytes + 1;
      });
      expect(header.readings).toBe(events.reduce((sum, e) => sum + e.readings, 0));
    }),
  );
});

test('any one changed byte of a header is noticed', () => {
  const { block } = encode([{ text: 'x', readings: 1, fromMs: 1, lasts: 1 }]);
  for (let at = 0; at < headerBytes; at++) {
    const copy = Buffer.from(block.headerPart);
    copy[at]! ^= 1 << (at % 8);
    expect(decodeHeader(copy), `byte ${at}`).toBeUndefined();
  }
});

test('bytes at random are no header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(decodeHeader(Buffer.from(bytes))).toBeUndefined();
    }),
  );
});
