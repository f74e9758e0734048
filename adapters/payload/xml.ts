import { createRequire } from 'node:module';
import type { XmlStep } from './address.ts';
import { maxDepth } from './exact-json.ts';
import { decodeText } from './text.ts';
import { UndecodableError } from './undecodable.ts';

type Element = string | { readonly [name: string]: Element | readonly Element[] };

interface Library {
  readonly XMLParser: new (options: object) => { parse(text: string): Element };
  readonly XMLValidator: {
    validate(text: string): true | { readonly err: { readonly msg: string; readonly line: number; readonly col: number } };
  };
}

let library: Library | undefined;
let parser: InstanceType<Library['XMLParser']> | undefined;

/** Loaded when the first XML body comes. */
function load(): Library {
  library ??= createRequire(import.meta.url)('fast-xml-parser') as Library;
  return library;
}

/** An XML body; answers the text of an element or attribute. */
export interface XmlBody {
  at(steps: readonly XmlStep[], attribute: string | undefined): string | undefined;
}

/**
 * Decodes a body; prefixes of namespaces are not looked at. A document type is refused: entities that a body defines itself are how
 * a small one grows to gigabytes, and no machine needs them.
 */
export function decodeXml(bytes: Uint8Array): XmlBody {
  const text = textOf(bytes);
  const doctype = text.search(/<!(?:DOCTYPE|ENTITY)/i);
  if (doctype >= 0) throw new UndecodableError('XML with a document type is not read', Buffer.byteLength(text.slice(0, doctype)));
  boundDepth(text);
  const { XMLParser, XMLValidator } = load();
  parser ??= new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    textNodeName: '#text',
    removeNSPrefix: true,
    parseTagValue: false,
    parseAttributeValue: false,
    trimValues: true,
    ignoreDeclaration: true,
    ignorePiTags: true,
    processEntities: true,
    htmlEntities: true,
  });
  try {
    const valid = XMLValidator.validate(text);
    if (valid !== true) {
      const { msg, line, col } = valid.err;
      throw new UndecodableError(`not XML: ${msg} (line ${line}, column ${col})`);
    }
    const root = parser.parse(text);
    return { at: (steps, attribute) => walk(root, steps, attribute) };
  } catch (error) {
    if (error instanceof UndecodableError) throw error;
    throw new UndecodableError(`not XML: ${(error as Error).message}`);
  }
}

/** The parser recurses; so the depth is bounded before it. */
function boundDepth(text: string): void {
  let depth = 0;
  for (let i = text.indexOf('<'); i >= 0; i = text.indexOf('<', i + 1)) {
    const next = text[i + 1];
    if (next === '/') depth--;
    else if (next === '!' && text.startsWith('<!--', i)) i = Math.max(text.indexOf('-->', i), i);
    else if (next === '!' && text.startsWith('<![CDATA[', i)) i = Math.max(text.indexOf(']]>', i), i);
    else if (next !== '!' && next !== '?') {
      const end = endOfTag(text, i);
      if (text[end - 1] !== '/' && ++depth > maxDepth)
        throw new UndecodableError(`not XML: more than ${maxDepth} levels of elements`, Buffer.byteLength(text.slice(0, i)));
      i = end;
    }
  }
}

/** The `>` that closes the tag; one within quotes does not. */
function endOfTag(text: string, from: number): number {
  let quote = '';
  for (let i = from; i < text.length; i++) {
    const c = text[i]!;
    if (quote !== '') {
      if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '>') return i;
  }
  return text.length;
}

const latinNames = /^(?:iso-8859-(?:1|15)|latin1|windows-1252|us-ascii)$/i;

/** UTF-8, or the encoding of one byte a character that the declaration names: old machines write ISO-8859-1. */
function textOf(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 200)).toString('latin1');
  const named = /^<\?xml[^>]*\bencoding=["']([A-Za-z0-9._-]+)["']/.exec(head)?.[1];
  return named !== undefined && latinNames.test(named) ? new TextDecoder(named).decode(bytes) : decodeText(bytes);
}

function walk(root: Element, steps: readonly XmlStep[], attribute: string | undefined): string | undefined {
  let node: Element | undefined = root;
  for (const { name, nth } of steps) {
    if (typeof node !== 'object' || !Object.hasOwn(node, name)) return undefined;
    const found: Element | readonly Element[] | undefined = node[name];
    node = Array.isArray(found) ? (found as readonly Element[])[nth - 1] : nth === 1 ? (found as Element) : undefined;
    if (node === undefined) return undefined;
  }
  if (typeof node === 'string') return attribute === undefined ? node : undefined;
  const key: string = attribute === undefined ? '#text' : `@${attribute}`;
  if (typeof node !== 'object' || !Object.hasOwn(node, key)) return attribute === undefined ? '' : undefined;
  const text = node[key];
  return typeof text === 'string' ? text : undefined;
}
