import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { PageFault } from './faults.ts';

/** The whole body, unpacked. PageFault when it is longer than `maxBody` bytes, ends early or cannot be unpacked. */
export async function readBody(response: IncomingMessage, maxBody: number, url: string): Promise<Uint8Array> {
  const announced = Number(response.headers['content-length'] ?? Number.NaN);
  const tooLong = (): PageFault =>
    new PageFault('BadOutOfRange', `GET ${url}: the answer is longer than ${maxBody} bytes; raise maxBody if it is meant to be`, {
      retry: 'after-fix',
    });
  if (announced > maxBody) throw tooLong();
  let received = 0;
  response.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  const stream = unpacked(response, url);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBody) throw tooLong();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof PageFault) throw error;
    // Left to the one who waits for the request: its deadline or its error says more.
    if (!response.complete) {
      const of = Number.isNaN(announced) ? 'in the middle' : `after ${received} of ${announced} bytes`;
      throw new PageFault('BadCommunicationError', `GET ${url}: the answer ended ${of}; the server is at fault`);
    }
    throw new PageFault(
      'BadDataEncodingInvalid',
      `GET ${url}: the answer cannot be unpacked (${(error as Error).message}); the server is at fault`,
    );
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

function unpacked(response: IncomingMessage, url: string): Readable {
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === '') return response;
  const unpack = encoding === 'gzip' || encoding === 'x-gzip' ? createGunzip() : encoding === 'deflate' ? createInflate() : undefined;
  if (!unpack)
    throw new PageFault('BadDataEncodingInvalid', `GET ${url}: the answer is packed as ${encoding}, which was not asked for`, {
      retry: 'after-fix',
    });
  response.on('error', (error) => unpack.destroy(error));
  return response.pipe(unpack) satisfies Duplex;
}
