/** Where a value is, before a server was asked: by node id or by browse path. Plain data. */
export type NodeText = NodeIdText | BrowsePathText;

export interface NodeIdText {
  readonly kind: 'id';
  /** A namespace URI, or an index that the engineer wrote although indexes move. 0 is OPC UA's own. */
  readonly namespace: string | number;
  /** `s=Mixer.Speed`, `i=2258`, `g=…`, `b=…` (OPC UA Part 6 §5.3.1.10). */
  readonly id: string;
}

export interface BrowsePathText {
  readonly kind: 'path';
  /** From the Objects folder. A name without `namespace` takes that of the name before it. */
  readonly steps: readonly { readonly namespace?: string; readonly name: string }[];
}

export interface BadText {
  readonly rule: string;
  readonly message: string;
  readonly hint?: string;
}

const forms = 'Write nsu=<namespace URI>;s=<name> (or i=, g=, b=), or a browse path like /Mixer/Speed';
const bad = (message: string, hint: string = forms, rule = 'opcua-node-id'): BadText => ({ rule, message, hint });

/** Reads the `at` of a point. */
export function parseNodeText(at: string): NodeText | BadText {
  const text = at.trim();
  if (text === '') return bad('at is empty');
  return text.startsWith('/') ? parsePath(text) : parseId(text);
}

function parseId(text: string): NodeIdText | BadText {
  // A string id may hold anything, also `;s=`; a URI's own semicolon is written %3B. So the first one decides.
  const match = /^(?:(nsu|ns|svr)=(.*?);)?([sigb])=(.*)$/s.exec(text);
  if (!match) {
    if (/^nsu=/i.test(text)) return bad(`"${text}" has no ;s=, ;i=, ;g= or ;b= after the namespace URI`);
    if (/^ns=/i.test(text)) return bad(`"${text}" has no ;s=, ;i=, ;g= or ;b= after the namespace index`);
    return bad(`"${text}" is neither a node id nor a browse path`);
  }
  const [, prefix, where = '', letter = '', rest = ''] = match;
  if (prefix === 'svr') return bad(`"${text}" points to another server`, 'Make that server an equipment of its own');
  const wrong = checkIdentifier(letter, rest);
  if (wrong) return bad(wrong);
  const id = letter === 'g' ? `g=${rest.toUpperCase()}` : `${letter}=${rest}`;
  if (prefix === 'ns') {
    if (!/^\d{1,5}$/.test(where) || Number(where) > 65535)
      return bad(`ns=${where} is not a namespace index`, 'ns= takes a number; a URI stands after nsu=');
    return { kind: 'id', namespace: Number(where), id };
  }
  if (prefix === 'nsu') {
    if (where === '') return bad('the namespace URI after nsu= is empty');
    if (/^\d+$/.test(where))
      return bad(`nsu=${where} is an index, not a URI`, 'nsu= takes a URI, as the server lists it in its NamespaceArray (i=2255)');
    return { kind: 'id', namespace: decodeUri(where), id };
  }
  if (letter !== 'i') {
    return bad(`"${text}" names no namespace`, `Write nsu=<namespace URI>;${id}`, 'opcua-namespace-missing');
  }
  return { kind: 'id', namespace: 0, id };
}

const decodeUri = (text: string): string => text.replaceAll(/%3B/gi, ';').replaceAll('%25', '%');
const encodeUri = (uri: string): string => uri.replaceAll('%', '%25').replaceAll(';', '%3B');

function checkIdentifier(letter: string, rest: string): string | undefined {
  switch (letter) {
    case 'i':
      return /^\d{1,10}$/.test(rest) && Number(rest) <= 0xffffffff ? undefined : `i=${rest} is not a number from 0 to 4294967295`;
    case 'g':
      return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(rest) ? undefined : `g=${rest} is not a GUID`;
    case 'b':
      return rest !== '' && /^[A-Za-z0-9+/]*={0,2}$/.test(rest) && rest.length % 4 === 0 ? undefined : `b=${rest} is not base64`;
    default:
      return rest === '' ? 's= is empty' : undefined;
  }
}

/** `&` before a character takes it literally, as in OPC UA Part 4 Annex A.2; dots need nothing. */
function parsePath(text: string): BrowsePathText | BadText {
  const steps: { namespace?: string; name: string }[] = [];
  let at = 1;
  while (at <= text.length) {
    let namespace: string | undefined;
    if (text[at] === '{') {
      const end = text.indexOf('}', at);
      if (end < 0) return bad(`"${text}": the { of a namespace is not closed`, 'Write /{http://candyco/mixer}Mixer/Speed');
      namespace = text.slice(at + 1, end);
      if (namespace === '') return bad(`"${text}": {} holds no namespace URI`);
      at = end + 1;
    }
    let name = '';
    for (; at < text.length && text[at] !== '/'; at++) {
      if (text[at] === '&' && at + 1 < text.length) at++;
      name += text[at];
    }
    at++;
    if (name === '') return bad(`"${text}" has an empty name`, 'Names stand between single slashes: /Mixer/Speed');
    if (/^\d+:/.test(name))
      return bad(
        `"${name}" begins with a namespace index, and indexes move`,
        `Write {namespace URI}${name.replace(/^\d+:/, '')}`,
        'namespace-index',
      );
    steps.push(namespace === undefined ? { name } : { namespace, name });
  }
  // Tools show the folder itself at the beginning.
  if (steps.length > 1 && steps[0]?.name === 'Objects' && steps[0].namespace === undefined) steps.shift();
  return { kind: 'path', steps };
}

/** One spelling for one node, for comparing and for messages. */
export function formatNodeText(node: NodeText): string {
  if (node.kind === 'path') {
    return node.steps
      .map(
        (step) =>
          `/${step.namespace === undefined ? '' : `{${step.namespace}}`}${step.name.replaceAll(/[&/]/g, '&$&').replace(/^\{/, '&{')}`,
      )
      .join('');
  }
  if (node.namespace === 0) return node.id;
  return typeof node.namespace === 'number' ? `ns=${node.namespace};${node.id}` : `nsu=${encodeUri(node.namespace)};${node.id}`;
}

export const isBadText = (parsed: NodeText | BadText): parsed is BadText => 'rule' in parsed;
