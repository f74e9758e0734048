import type { Message, Tree } from '../payload/contract.ts';
import { UndecodableError } from '../payload/undecodable.ts';
import { ValueReader } from './values.ts';

/** Sections of a message (part 3 §3.2), by the code of their descriptor and by its symbol. */
const section = { header: 0x70, annotations: 0x72, properties: 0x73, applicationProperties: 0x74, data: 0x75, sequence: 0x76, value: 0x77 };
const sectionSymbols: ReadonlyMap<Tree, number> = new Map([
  ['amqp:header:list', section.header],
  ['amqp:delivery-annotations:map', 0x71],
  ['amqp:message-annotations:map', section.annotations],
  ['amqp:properties:list', section.properties],
  ['amqp:application-properties:map', section.applicationProperties],
  ['amqp:data:binary', section.data],
  ['amqp:amqp-sequence:list', section.sequence],
  ['amqp:amqp-value:*', section.value],
  ['amqp:footer:map', 0x78],
]);

/** Fields of the header and the properties, by their place in the list. */
const headerFields = ['durable', 'priority', 'ttl', 'first-acquirer', 'delivery-count'];
const propertyFields = [
  'message-id',
  'user-id',
  'to',
  'subject',
  'reply-to',
  'correlation-id',
  'content-type',
  'content-encoding',
  'absolute-expiry-time',
  'creation-time',
  'group-id',
  'group-sequence',
  'reply-to-group-id',
];
const creationTime = propertyFields.indexOf('creation-time');
const unread = -1;

/**
 * A message as it came off the wire. The body is found at once, everything else when it is asked for: most messages are one section of data.
 * Throws UndecodableError where the bytes are not a message.
 */
export class AmqpMessage implements Message {
  readonly receivedMs: number;
  readonly body: Message['body'];
  readonly timeMs?: number;
  readonly #bytes: Buffer;
  #header = unread;
  #annotationsAt = unread;
  #propertiesAt = unread;
  #applicationAt = unread;
  #fields: ReadonlyMap<string, Tree> | undefined;
  #application: ReadonlyMap<string, Tree> | undefined;
  #annotations: ReadonlyMap<string, Tree> | undefined;

  constructor(bytes: Buffer, receivedMs: number) {
    this.#bytes = bytes;
    this.receivedMs = receivedMs;
    this.body = this.#scan();
    const timeMs = this.#propertiesAt === unread ? undefined : this.#creationMs();
    if (timeMs !== undefined) this.timeMs = timeMs;
  }

  /** An application property, or a field of properties and header by its name in the standard: `subject`, `creation-time`, `delivery-count`. */
  property(name: string): Tree | undefined {
    this.#application ??= this.#mapAt(this.#applicationAt);
    const own = this.#application.get(name);
    if (own !== undefined) return own;
    this.#fields ??= new Map([...this.#listAt(this.#header, headerFields), ...this.#listAt(this.#propertiesAt, propertyFields)]);
    return this.#fields.get(name);
  }

  annotation(name: string): Tree | undefined {
    this.#annotations ??= this.#mapAt(this.#annotationsAt);
    return this.#annotations.get(name);
  }

  /** Walks over the sections; several data sections are one body, and so are several sequences. */
  #scan(): Message['body'] {
    const reader = new ValueReader(this.#bytes);
    const data: Uint8Array[] = [];
    let list: Tree[] | undefined;
    let value: Tree | undefined;
    while (reader.at < this.#bytes.length) {
      const code = this.#sectionCode(reader);
      switch (code) {
        case section.header:
          this.#header = reader.at;
          reader.skip();
          break;
        case section.annotations:
          this.#annotationsAt = reader.at;
          reader.skip();
          break;
        case section.properties:
          this.#propertiesAt = reader.at;
          reader.skip();
          break;
        case section.applicationProperties:
          this.#applicationAt = reader.at;
          reader.skip();
          break;
        case section.data: {
          const part = reader.read();
          if (!(part instanceof Uint8Array)) throw new UndecodableError('a data section holds something else than bytes');
          data.push(part);
          break;
        }
        case section.sequence: {
          const part = reader.read();
          if (!Array.isArray(part)) throw new UndecodableError('a sequence section holds something else than a list');
          list ??= [];
          for (const item of part) list.push(item);
          break;
        }
        case section.value:
          value = reader.read();
          break;
        default:
          reader.skip();
      }
    }
    if (data.length > 0) return data.length === 1 ? data[0]! : Buffer.concat(data);
    if (list) return { tree: list };
    if (value instanceof Uint8Array) return value;
    return { tree: value ?? null };
  }

  #sectionCode(reader: ValueReader): number {
    const { at } = reader;
    const bytes = this.#bytes;
    if (bytes[at] !== 0) throw new UndecodableError('not an AMQP 1.0 message: a section does not begin with its descriptor');
    // Nearly always a small ulong.
    if (bytes[at + 1] === 0x53) {
      const code = bytes[at + 2] ?? 0;
      reader.at = at + 3;
      return code;
    }
    reader.at = at + 1;
    const descriptor = reader.read();
    const code = typeof descriptor === 'number' ? descriptor : sectionSymbols.get(descriptor);
    if (code === undefined) throw new UndecodableError(`not an AMQP 1.0 message: there is no section ${String(descriptor)}`);
    return code;
  }

  #creationMs(): number | undefined {
    const list = new ValueReader(this.#bytes, this.#propertiesAt).read();
    const time = Array.isArray(list) ? (list[creationTime] as Tree | undefined) : undefined;
    if (typeof time !== 'object' || time === null || !('timeMs' in time)) return undefined;
    return inMilliseconds(time.timeMs);
  }

  #mapAt(at: number): ReadonlyMap<string, Tree> {
    if (at === unread) return empty;
    const map = new ValueReader(this.#bytes, at).read();
    return map instanceof Map ? map : empty;
  }

  *#listAt(at: number, names: readonly string[]): Iterable<[string, Tree]> {
    if (at === unread) return;
    const list = new ValueReader(this.#bytes, at).read();
    if (!Array.isArray(list)) return;
    for (const [index, name] of names.entries()) {
      const value = list[index];
      if (value === undefined || value === null) continue;
      yield [name, name === 'creation-time' && 'timeMs' in value ? { timeMs: inMilliseconds(value.timeMs) } : value];
    }
  }
}

const empty: ReadonlyMap<string, Tree> = new Map();

/** 1970-01-12 to 1970-04-26 in milliseconds; 2001 to 2286 in seconds. */
const looksLikeSeconds = { from: 1e9, to: 1e10 };

/** RabbitMQ 3 hands the seconds of an AMQP 0-9-1 timestamp over as milliseconds, which puts every message into 1970. */
function inMilliseconds(time: number): number {
  return time >= looksLikeSeconds.from && time < looksLikeSeconds.to ? time * 1_000 : time;
}
