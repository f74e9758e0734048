import type { EncodedMessage, EncodeOptions, MessageSubject } from '../contract.ts';
import { bytesOf, type Chunk, type Form, joinChunks, oldestMs, type Part, partId, type Section, whole } from './section.ts';

/**
 * Fills bodies with sections, in order, as the grain says. No body is larger than `maxBodyBytes`, except one that holds a single reading.
 * Ids: that of the first event, with `.1`, `.2` when it is in several bodies, and `-SEQUENCE` of the last event when there are several.
 */
export function pack(sections: Iterable<Section>, form: Form, options: EncodeOptions): EncodedMessage[] {
  const bodies = new Bodies(form, options);
  for (const section of sections) {
    if (options.grain === 'reading') bodies.addApart(section);
    else bodies.add(section);
  }
  return bodies.finish();
}

class Bodies {
  readonly #form: Form;
  readonly #options: EncodeOptions;
  readonly #betweenBytes: number;
  readonly #messages: EncodedMessage[] = [];
  #current: Body | undefined;
  /** The event that the last body ended with, and how many bodies hold a part of it. */
  #lastEvent = '';
  #bodiesOfLast = 0;

  constructor(form: Form, options: EncodeOptions) {
    this.#form = form;
    this.#options = options;
    this.#betweenBytes = Buffer.byteLength(form.between);
  }

  add(section: Section): void {
    const joined = section.joined();
    const bytes = Buffer.byteLength(joined) + section.frameBytes + this.#betweenBytes;
    if (this.#options.grain === 'event' && this.#current?.last.event.id !== section.event.id) this.#close();
    if (this.#current && this.#current.bytes + bytes > this.#options.maxBodyBytes) this.#close();
    const overhead = this.#overhead(section);
    if (section.readings.length > 1 && overhead + bytes > this.#options.maxBodyBytes) {
      this.#addParts(section, overhead);
      return;
    }
    this.#current ??= bodyOf(section, overhead);
    this.#put(this.#current, section, whole, joined, 0, section.readings.length);
    this.#current.bytes += bytes;
  }

  /** Each reading in a body of its own. */
  addApart(section: Section): void {
    const pieces = section.pieces();
    if (pieces.length === 0) this.add(section);
    for (const [index, piece] of pieces.entries()) this.#alone(section, { index, of: pieces.length }, piece, index, index + 1);
    this.#close();
  }

  /** Too large for a body: as many pieces as fit, each time. */
  #addParts(section: Section, overhead: number): void {
    this.#close();
    const pieces = section.pieces();
    const separatorBytes = Buffer.byteLength(section.separator);
    const room = this.#options.maxBodyBytes - overhead - section.frameBytes;
    const starts: number[] = [];
    let filled = 0;
    for (const [i, piece] of pieces.entries()) {
      const bytes = Buffer.byteLength(piece) + separatorBytes;
      // The first piece of a part needs no separator.
      if (i === 0 || filled + bytes - separatorBytes > room) {
        starts.push(i);
        filled = 0;
      }
      filled += bytes;
    }
    for (const [index, from] of starts.entries()) {
      const to = starts[index + 1] ?? pieces.length;
      this.#alone(section, { index, of: starts.length }, joinChunks(pieces.slice(from, to), section.separator), from, to);
    }
  }

  #alone(section: Section, part: Part, text: Chunk, from: number, to: number): void {
    this.#current = bodyOf(section, 0);
    this.#put(this.#current, section, part, text, from, to);
    this.#close(this.#options.grain === 'reading' ? section.readings[from]?.point : undefined);
  }

  #put(body: Body, section: Section, part: Part, text: Chunk, from: number, to: number): void {
    const { head, tail } = section.frame(part);
    if (body.sections > 0) body.texts.push(this.#form.between);
    body.texts.push(head, text, tail);
    body.sections++;
    body.readings += to - from;
    body.createdMs = Math.min(body.createdMs, oldestMs(section.readings, from, to, section.event.time));
    body.last = section;
    if (body.about !== 'several') body.about = sameSubject(body.about ?? section.about, section.about) ? section.about : 'several';
  }

  #overhead({ event }: Section): number {
    const longestId = `${event.id}.99999999-18446744073709551615`;
    return Buffer.byteLength(this.#form.open(longestId, 2)) + Buffer.byteLength(this.#form.close(2));
  }

  #close(point?: string): void {
    const body = this.#current;
    if (!body) return;
    this.#current = undefined;
    const form = this.#form;
    const id = this.#idOf(body);
    body.texts.push(form.close(body.sections));
    body.texts.unshift(form.open(id, body.sections));
    this.#messages.push({
      id,
      body: bytesOf(body.texts),
      contentType: form.contentType(body.sections),
      readings: body.readings,
      createdMs: body.createdMs,
      ...(body.about !== 'several' && { about: point === undefined ? body.about! : { ...body.about!, point } }),
      ...(form.retains && this.#options.grain === 'reading' && body.readings > 0 && { retain: true }),
    });
  }

  #idOf({ first, last }: Body): string {
    const before = first.event.id === this.#lastEvent ? this.#bodiesOfLast : 0;
    this.#lastEvent = last.event.id;
    this.#bodiesOfLast = first.event.id === last.event.id ? before + 1 : 1;
    const id = partId(first.event.id, before);
    return first.event.id === last.event.id ? id : `${id}-${last.event.sequence}`;
  }

  finish(): EncodedMessage[] {
    this.#close();
    return this.#messages;
  }
}

interface Body {
  readonly first: Section;
  last: Section;
  readonly texts: Chunk[];
  sections: number;
  bytes: number;
  readings: number;
  createdMs: number;
  about?: MessageSubject | 'several';
}

function bodyOf(section: Section, bytes: number): Body {
  return { first: section, last: section, texts: [], sections: 0, bytes, readings: 0, createdMs: Number.POSITIVE_INFINITY };
}

function sameSubject(a: MessageSubject, b: MessageSubject): boolean {
  return a === b || (a.equipment === b.equipment && a.message === b.message && a.priority === b.priority && a.path === b.path);
}
