import type { LogLine } from './contract.ts';

const headerLength = 8;
/** A line without end is cut here; the rest is a line of its own. */
const longestLine = 256 * 1024;

/**
 * Lines out of the engine's stream of logs, each with the time that stands before it. Without a terminal the stream comes in frames: one byte that says
 * which output, three of nothing, four that say how long (`docs: Attach to a container, stream format`).
 */
export async function* readLogs(chunks: AsyncIterable<Buffer>, framed: boolean): AsyncGenerator<LogLine> {
  const open = { stdout: new LineBuffer('stdout'), stderr: new LineBuffer('stderr') };
  for await (const { stream, data } of framed ? frames(chunks) : plain(chunks)) yield* open[stream].add(data);
  yield* open.stdout.end();
  yield* open.stderr.end();
}

type Piece = { readonly stream: LogLine['stream']; readonly data: Buffer };

async function* plain(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  for await (const data of chunks) yield { stream: 'stdout', data };
}

async function* frames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= headerLength) {
      const length = rest.readUInt32BE(at + 4);
      if (rest.length - at - headerLength < length) break;
      const start = at + headerLength;
      yield { stream: rest[at] === 2 ? 'stderr' : 'stdout', data: rest.subarray(start, start + length) };
      at = start + length;
    }
    rest = rest.subarray(at);
  }
}

class LineBuffer {
  readonly #stream: LogLine['stream'];
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: LogLine['stream']) {
    this.#stream = stream;
  }

  *add(data: Buffer): Generator<LogLine> {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    let at = 0;
    for (let end = this.#rest.indexOf(10); end >= 0; end = this.#rest.indexOf(10, at)) {
      yield this.#line(this.#rest.subarray(at, end));
      at = end + 1;
    }
    this.#rest = this.#rest.subarray(at);
    if (this.#rest.length > longestLine) yield* this.end();
  }

  *end(): Generator<LogLine> {
    if (this.#rest.length > 0) yield this.#line(this.#rest);
    this.#rest = Buffer.alloc(0);
  }

  #line(bytes: Buffer): LogLine {
    const text = bytes.toString('utf8').replace(/\r$/, '');
    const space = text.indexOf(' ');
    const time = space < 0 ? text : text.slice(0, space);
    // A line that was cut goes on without a time.
    if (!/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(time)) return { time: '', stream: this.#stream, text };
    return { time, stream: this.#stream, text: space < 0 ? '' : text.slice(space + 1) };
  }
}
