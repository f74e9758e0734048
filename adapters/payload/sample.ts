import type { PlacedPoint, RawSample, SampleReport } from '../../mappings/language.ts';
import { suggestion } from '../../mappings/nearest.ts';
import type { PayloadAddress } from './address.ts';
import type { Message, Tree } from './contract.ts';
import { messageReader } from './reader.ts';
import { showNode } from './states.ts';
import { UndecodableError } from './undecodable.ts';

/** One message that a sample gives. */
export interface GivenMessage<Address> {
  /** The entry of `given` that reports name. */
  readonly entry: string;
  /** Text as it is on the wire, a group or list in place of JSON; for binary bodies hex digits or a list of bytes. */
  readonly body: unknown;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, unknown>>;
  /** Which points the message reaches; absent: all. */
  readonly reaches?: (point: PlacedPoint<Address>) => boolean;
  /** It is not what was meant, and that has been told: nothing is read from it. */
  readonly unread?: true;
}

/**
 * `given: { body: …, "property:x": …, "annotation:x": … }` as one message; other keys are reported, and a sample without body is empty text.
 * `addresses`: what else may be a key beside them, for the hint.
 */
export function givenMessage<Address>(
  given: Readonly<Record<string, unknown>>,
  report: SampleReport,
  addresses: readonly string[] = [],
): GivenMessage<Address> {
  let unknown = false;
  const properties: Record<string, unknown> = {};
  const annotations: Record<string, unknown> = {};
  for (const [entry, value] of Object.entries(given)) {
    const [, kind, name = ''] = /^(property|annotation):(.+)$/s.exec(entry) ?? [];
    if (kind === 'property') properties[name.trim()] = value;
    else if (kind === 'annotation') annotations[name.trim()] = value;
    else if (entry !== 'body') {
      unknown = true;
      const near = suggestion(entry, [...addresses, 'body']);
      report(entry, {
        rule: 'payload-given',
        message: `"${entry}" is no part of a message`,
        hint: near?.startsWith('did') ? near : 'Write body, property:name or annotation:name',
      });
    }
  }
  const entry = 'body' in given ? 'body' : (Object.keys(given)[0] ?? 'body');
  return { entry, body: given.body, properties, annotations, ...(unknown && given.body === undefined && { unread: true as const }) };
}

/**
 * Reads given messages by the reader of the wire. A point that several messages reach has the value of the last; points that no message
 * speaks of are left out.
 */
export function payloadSample<Address>(
  messages: readonly GivenMessage<Address>[],
  points: readonly PlacedPoint<Address>[],
  payloadOf: (address: Address) => PayloadAddress,
  report: SampleReport,
): ReadonlyMap<string, RawSample> {
  const samples = new Map<string, RawSample>();
  for (const given of messages) {
    if (given.unread) continue;
    const reached = points.map((point, index) => ({ point, index, address: payloadOf(point.address) }));
    const forMe = reached.filter(({ point }) => given.reaches?.(point) ?? true);
    // Hex digits are bytes to a binary body and text to any other.
    for (const binary of [false, true]) {
      const some = forMe.filter(({ address }) => (address.body === 'binary') === binary);
      if (some.length > 0) readGiven(given, binary, some, points, payloadOf, report, samples);
    }
  }
  return samples;
}

function readGiven<Address>(
  given: GivenMessage<Address>,
  binary: boolean,
  reached: readonly { readonly index: number; readonly address: PayloadAddress }[],
  points: readonly PlacedPoint<Address>[],
  payloadOf: (address: Address) => PayloadAddress,
  report: SampleReport,
  samples: Map<string, RawSample>,
): void {
  const body = binary ? bytesOf(given.body) : bodyOf(given.body);
  if (!body) {
    report(given.entry, {
      rule: 'payload-given',
      message: `${showNode(given.body)} is not a binary body`,
      hint: 'Write hex digits in quotes, "01 0A FF", or a list of bytes, [1, 10, 255]',
    });
    return;
  }
  const message: Message = {
    body,
    property: (name) => named(given.properties, name),
    annotation: (name) => named(given.annotations, name),
    receivedMs: 0,
  };
  try {
    const out = messageReader(reached).read(message);
    out.points.forEach((index, i) => {
      const { name, address } = points[index]!;
      const { shown, body: format } = payloadOf(address);
      const state = out.states[i];
      const type = out.types[i];
      const raw = out.values[i];
      samples.set(name, {
        raw,
        shown: raw === undefined ? (state?.reason ?? `${shown} holds nothing`) : `${shown} = ${showNode(raw as Tree)}, ${format}`,
        ...(type !== undefined && { type }),
        ...(state !== undefined && { state }),
      });
    });
  } catch (error) {
    if (!(error instanceof UndecodableError)) throw error;
    report(given.entry, { rule: 'payload-given', message: error.message, ...(error.hint && { hint: error.hint }) });
  }
}

function named(group: Readonly<Record<string, unknown>> | undefined, name: string): Tree | undefined {
  return group && Object.hasOwn(group, name) ? treeOf(group[name]) : undefined;
}

function bodyOf(written: unknown): Message['body'] {
  if (written === undefined) return new Uint8Array();
  return typeof written === 'string' ? Buffer.from(written) : { tree: treeOf(written) };
}

function bytesOf(written: unknown): Uint8Array | undefined {
  if (Array.isArray(written)) {
    const bytes = written.map(Number);
    return bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255) ? Uint8Array.from(bytes) : undefined;
  }
  const digits = typeof written === 'string' ? written.replaceAll(/0x|[\s:,-]/gi, '') : undefined;
  return digits !== undefined && /^([0-9a-f]{2})*$/i.test(digits) ? Uint8Array.from(Buffer.from(digits, 'hex')) : undefined;
}

/** What YAML gave, as a tree. */
export function treeOf(value: unknown): Tree {
  if (value instanceof Date) return { timeMs: value.getTime() };
  if (Array.isArray(value)) return value.map(treeOf);
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array))
    return new Map(Object.entries(value).map(([key, each]) => [key, treeOf(each)]));
  return (value ?? null) as Tree;
}
