import type { PayloadAddress } from './address.ts';
import type { BodyFormat, Message, Tree } from './contract.ts';
import { type CsvBody, decodeCsv } from './csv.ts';
import { decodeJson, type JsonBody, treeBody } from './json.ts';
import { showNode } from './states.ts';
import { decodeText } from './text.ts';
import { UndecodableError } from './undecodable.ts';
import { decodeXml, type XmlBody } from './xml.ts';

/** How a body is to be decoded; points that agree in it share the work. */
export interface Dialect {
  readonly body: BodyFormat;
  readonly separator: string;
  readonly header: boolean;
}

/** A body as its dialect made it; the other fields are absent. */
export interface DecodedBody {
  /** 1, but for CSV. */
  readonly rows: number;
  readonly json?: JsonBody;
  readonly csv?: CsvBody;
  readonly xml?: XmlBody;
  readonly text?: Tree;
  readonly bytes?: Uint8Array;
}

/** A column that is only numbered says nothing about a header; it goes with those that are named. */
export function dialectOf(address: PayloadAddress, all: readonly PayloadAddress[]): Dialect {
  const separator = address.separator ?? '';
  const header = (each: PayloadAddress): boolean =>
    each.header ?? [each.place, each.time?.place, ...(each.when ?? []).map(({ place }) => place)].some((place) => place?.kind === 'column');
  return {
    body: address.body,
    separator,
    header:
      address.body === 'csv' && (address.header ?? all.some((each) => each.body === 'csv' && each.separator === separator && header(each))),
  };
}

/** UndecodableError when the body is not what the dialect says. */
export function decodeBody(body: Message['body'], { body: format, separator, header }: Dialect): DecodedBody {
  if (format === 'json') return { rows: 1, json: jsonOf(body) };
  if (format === 'text') return { rows: 1, text: textOf(body) };
  const bytes = bytesOf(body, format);
  if (format === 'binary') return { rows: 1, bytes };
  if (format === 'xml') return { rows: 1, xml: decodeXml(bytes) };
  const csv = decodeCsv(bytes, separator, header);
  return { rows: csv.rows.length, csv };
}

/** A text that the protocol carries as a value is JSON as well: JMS and many AMQP libraries send it so. */
function jsonOf(body: Message['body']): JsonBody {
  if (body instanceof Uint8Array) return decodeJson(body);
  const { tree } = body;
  if (tree instanceof Uint8Array) return decodeJson(tree);
  return typeof tree === 'string' ? decodeJson(Buffer.from(tree)) : treeBody(tree);
}

function textOf(body: Message['body']): Tree {
  if (body instanceof Uint8Array) return decodeText(body);
  return body.tree instanceof Uint8Array ? decodeText(body.tree) : body.tree;
}

function bytesOf(body: Message['body'], format: BodyFormat): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (body.tree instanceof Uint8Array) return body.tree;
  if (typeof body.tree === 'string' && format !== 'binary') return Buffer.from(body.tree);
  throw new UndecodableError(
    `the body is ${showNode(body.tree)}, a value of the protocol, not bytes of ${format}`,
    undefined,
    'Read it with body: json',
  );
}
