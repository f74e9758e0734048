import type { Kind } from './file-name.ts';

/** A message as it stands in a file. */
export interface Lines {
  readonly kind: Kind;
  /** The line that must be the first of its file; undefined when there is none. */
  readonly header: Uint8Array | undefined;
  /** Ends with a line break, or is empty. */
  readonly text: Uint8Array;
}

/** Which form a content type has in a file; undefined when it has no lines. `array`: each element is a line of its own. */
export function formOf(contentType: string): { readonly kind: Kind; readonly array: boolean; readonly header: boolean } | undefined {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  // The records of a SenML pack need the base values of those before them (RFC 8428 §4.1): it stays together.
  if (type === 'application/senml+json') return { kind: 'jsonl', array: false, header: false };
  if (type === 'application/json' || type.endsWith('+json')) return { kind: 'jsonl', array: true, header: false };
  if (type === 'text/csv') return { kind: 'csv', array: false, header: /;\s*header=present/i.test(contentType) };
  return type === 'text/plain' ? { kind: 'txt', array: false, header: false } : undefined;
}

/** Undefined when the body is not what its type says: JSON that does not end, or ends twice. */
export function linesOf(body: Uint8Array, { kind, array, header }: NonNullable<ReturnType<typeof formOf>>): Lines | undefined {
  if (kind === 'jsonl') {
    const text = jsonLines(body, array);
    return text && { kind, header: undefined, text };
  }
  const ended = endLine(body);
  if (!header) return { kind, header: undefined, text: ended };
  const first = firstRecord(ended);
  return { kind, header: ended.subarray(0, first), text: ended.subarray(first) };
}

const quote = 0x22;
const backslash = 0x5c;
const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * JSON without white space between its tokens, so that it is one line; of an array at the top, one line an element. Values keep the digits
 * they were written with. Undefined when brackets and quotes do not match.
 */
function jsonLines(body: Uint8Array, array: boolean): Uint8Array | undefined {
  const out = Buffer.allocUnsafe(body.byteLength + 1);
  let end = 0;
  let depth = 0;
  let inString = false;
  let split = false;
  let over = false;
  for (let i = 0; i < body.byteLength; i++) {
    const byte = body[i]!;
    if (inString) {
      if (byte < 0x20) return undefined;
      out[end++] = byte;
      if (byte === backslash && i + 1 < body.byteLength) out[end++] = body[++i]!;
      else if (byte === quote) inString = false;
      continue;
    }
    if (byte === 0x20 || byte === newline || byte === carriageReturn || byte === 0x09) continue;
    if (over) return undefined;
    switch (byte) {
      case quote:
        inString = true;
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        if (depth === 1 && end === 0 && byte === 0x5b && array) {
          split = true;
          continue;
        }
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        if (depth < 0) return undefined;
        over = depth === 0;
        if (over && split) continue;
        break;
      case 0x2c: // ,
        if (depth === 1 && split) {
          out[end++] = newline;
          continue;
        }
        break;
    }
    out[end++] = byte;
  }
  if (inString || depth !== 0) return undefined;
  if (end > 0) out[end++] = newline;
  return out.subarray(0, end);
}

function endLine(body: Uint8Array): Uint8Array {
  if (body.byteLength === 0 || body[body.byteLength - 1] === newline) return body;
  return Buffer.concat([body, Uint8Array.of(newline)]);
}

/** Length of the first record, its line break included; a quoted cell may hold line breaks (RFC 4180 §2.6). */
function firstRecord(body: Uint8Array): number {
  let quoted = false;
  for (let i = 0; i < body.byteLength; i++) {
    if (body[i] === quote) quoted = !quoted;
    else if (body[i] === newline && !quoted) return i + 1;
  }
  return body.byteLength;
}

/** Counts whole lines in what comes piece by piece: how many bytes at the start are lines that ended. */
export class LineEnds {
  /** Bytes up to and including the last line break that ends a line. */
  whole = 0;
  readonly #quotes: boolean;
  #seen = 0;
  #quoted = false;
  #holed = false;

  constructor(kind: Kind) {
    // A JSON line holds no raw line break, whatever its quotes do; a CSV cell may.
    this.#quotes = kind === 'csv';
  }

  add(written: Uint8Array): void {
    if (this.#holed) return;
    // After a power loss a file may be as long as it should be, with zeros where nothing was written; what stands behind them is no line of ours.
    const hole = written.indexOf(0);
    this.#holed = hole >= 0;
    const piece = this.#holed ? written.subarray(0, hole) : written;
    if (this.#quotes) {
      for (let i = 0; i < piece.byteLength; i++) {
        if (piece[i] === quote) this.#quoted = !this.#quoted;
        else if (piece[i] === newline && !this.#quoted) this.whole = this.#seen + i + 1;
      }
    } else {
      const last = piece.lastIndexOf(newline);
      if (last >= 0) this.whole = this.#seen + last + 1;
    }
    this.#seen += piece.byteLength;
  }
}
