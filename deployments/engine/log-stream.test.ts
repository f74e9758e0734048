import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogLine } from './contract.ts';
import { readLogs } from './log-stream.ts';

const time = '2026-11-24T10:00:00.123456789Z';

function frame(stream: 1 | 2, text: string): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

async function* inPieces(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? bytes.length;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(bytes: Buffer, sizes: readonly number[] = [bytes.length], framed = true): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of readLogs(inPieces(bytes, sizes), framed)) lines.push(line);
  return lines;
}

test('lines are the same however the network cuts them', async () => {
  const written = Buffer.concat([frame(1, `${time} out äöü\n`), frame(2, `${time} err\n`), frame(1, `${time} half `), frame(1, 'of it\n')]);
  const whole = await read(written);
  expect(whole).toEqual([
    { time, stream: 'stdout', text: 'out äöü' },
    { time, stream: 'stderr', text: 'err' },
    { time, stream: 'stdout', text: 'half of it' },
  ]);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), async (sizes) => {
      expect(await read(written, sizes)).toEqual(whole);
    }),
  );
});

test('a last line without an end, an empty one, one of a terminal', async () => {
  expect(await read(frame(1, `${time} \n${time} last`))).toEqual([
    { time, stream: 'stdout', text: '' },
    { time, stream: 'stdout', text: 'last' },
  ]);
  expect(await read(Buffer.from(`${time} from a terminal\r\n`), [7], false)).toEqual([{ time, stream: 'stdout', text: 'from a terminal' }]);
});

test('a line without end does not grow for ever', async () => {
  const lines = await read(Buffer.concat([frame(1, `${time} ${'x'.repeat(300_000)}`), frame(1, 'y\n')]));
  expect(lines.map(({ text }) => text.length)).toEqual([300_000, 1]);
  expect(lines[1]).toMatchObject({ time: '' });
});
