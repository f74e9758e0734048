import type { Finding } from '../../mappings/language.ts';
import { nearest } from '../../mappings/nearest.ts';
import type { Place, XmlStep } from './address.ts';
import type { BodyFormat } from './contract.ts';
import { formatPointer, parsePointer } from './pointer.ts';

export interface NotationOptions {
  readonly properties: boolean;
  readonly annotations: boolean;
}

type Parsed = { readonly place: Place } | { readonly finding: Finding };

const refused = (message: string, hint: string): Parsed => ({ finding: { rule: 'payload-place', message, hint } });

/** Reads a place in the notation of `at`. What a place looks like depends on the body; `property:` and `annotation:` do not. */
export function parsePlace(text: string, body: BodyFormat, options: NotationOptions): Parsed {
  const prefixed = /^([A-Za-z]+):(.*)$/s.exec(text);
  const word = prefixed?.[1];
  const rest = prefixed?.[2]?.trim() ?? '';
  if (word === 'property' || word === 'annotation') {
    const allowed = word === 'property' ? options.properties : options.annotations;
    if (!allowed)
      return refused(`"${text}": messages of this adapter have no ${word === 'property' ? 'properties' : 'annotations'}`, placeHint[body]);
    return rest === '' ? refused(`"${text}" names no ${word}`, `write ${word}:name`) : { place: { kind: word, name: rest } };
  }
  switch (body) {
    case 'json':
      return jsonPlace(text, word, options);
    case 'csv':
      return csvPlace(text, word, rest, options);
    case 'binary':
      return binaryPlace(text);
    case 'xml':
      return xmlPlace(text);
    case 'text':
      return text === '' ? { place: { kind: 'whole' } } : refused(`"${text}": a text body has no places within`, placeHint.text);
  }
}

const placeHint: Readonly<Record<BodyFormat, string>> = {
  json: 'write a JSON Pointer: /temps/0/value; "" is the whole body',
  csv: 'write column:name, or column:3 for the third',
  binary: 'write byte 4, counted from 0',
  xml: 'write a path of elements: /status/temperature, /status/line[2]/@speed',
  text: 'leave at out; match takes a part of the text',
};

function wordsOf(body: BodyFormat, { properties, annotations }: NotationOptions): string[] {
  return [...(properties ? ['property'] : []), ...(annotations ? ['annotation'] : []), ...(body === 'csv' ? ['column'] : [])];
}

function jsonPlace(text: string, word: string | undefined, options: NotationOptions): Parsed {
  const tokens = parsePointer(text);
  if (tokens) return { place: { kind: 'pointer', tokens } };
  if (text.startsWith('/'))
    return refused(`"${text}": a ~ stands for itself only as ~0, for a slash as ~1`, `write ${text.replaceAll(/~(?![01])/g, '~0')}`);
  const near = word === undefined ? undefined : nearest(word, wordsOf('json', options));
  if (near !== undefined) return refused(`"${text}" is not a place in a message`, `did you mean ${text.replace(/^[A-Za-z]+/, near)}?`);
  return refused(`"${text}" is not a JSON Pointer`, `did you mean ${formatPointer(steps(text))}?`);
}

/** What people write in place of a pointer: `temps.0.value`, `$.temps[0].value`, `temps/0/value`. */
function steps(text: string): string[] {
  return text
    .replace(/^\$\.?/, '')
    .replaceAll(/\[['"]?([^\]'"]*)['"]?\]/g, '.$1')
    .split(/[./]/)
    .filter((step) => step !== '');
}

function csvPlace(text: string, word: string | undefined, rest: string, options: NotationOptions): Parsed {
  if (word !== 'column') {
    const near = word === undefined ? undefined : nearest(word, wordsOf('csv', options));
    const hint =
      near !== undefined ? `did you mean ${near}:${rest}?` : /^[^:/]+$/.test(text) ? `did you mean column:${text}?` : placeHint.csv;
    return refused(`"${text}" is not a column`, hint);
  }
  if (rest === '') return refused(`"${text}" names no column`, placeHint.csv);
  if (!/^\d+$/.test(rest)) return { place: { kind: 'column', name: rest } };
  const number = Number(rest);
  return number >= 1 && number <= 10_000
    ? { place: { kind: 'column-number', number } }
    : refused(`column ${rest}: columns count from 1`, 'write column:1 for the first');
}

function binaryPlace(text: string): Parsed {
  const written = /^(?:byte\s+)?(\d+|0x[0-9a-f]+)$/i.exec(text.trim())?.[1];
  const offset = Number(written);
  if (written === undefined) {
    const number = /\d+/.exec(text)?.[0];
    return refused(`"${text}" is not a place in a binary body`, number === undefined ? placeHint.binary : `did you mean byte ${number}?`);
  }
  return offset <= 16_777_215 ? { place: { kind: 'byte', offset } } : refused(`byte ${offset} is beyond any message`, placeHint.binary);
}

const xmlName = /^(?:[\p{L}_][\p{L}\p{N}_.-]*:)?([\p{L}_][\p{L}\p{N}_.-]*)$/u;

/** `/status/line[2]/@speed`; prefixes of namespaces may stand and are not looked at. */
function xmlPlace(text: string): Parsed {
  if (!text.startsWith('/') || text === '/') {
    const hint = /^[\w.@:/[\]-]+$/.test(text) && text !== '/' ? `did you mean /${steps(text).join('/')}?` : placeHint.xml;
    return refused(`"${text}" is not a path of elements`, hint);
  }
  const parts = text.slice(1).split('/');
  const last = parts.at(-1) ?? '';
  const attribute = last.startsWith('@') ? xmlName.exec(last.slice(1))?.[1] : undefined;
  if (last.startsWith('@')) {
    if (attribute === undefined) return refused(`"${last}" is not an attribute`, placeHint.xml);
    parts.pop();
  }
  const elements: XmlStep[] = [];
  for (const part of parts) {
    const [, name = '', nth = '1'] = /^([^[\]]*)(?:\[(\d{1,6})\])?$/.exec(part) ?? [];
    const local = xmlName.exec(name)?.[1];
    if (local === undefined || Number(nth) < 1) {
      return refused(
        part === '' ? `"${text}": an element is missing between two slashes` : `"${part}" is not an element`,
        Number(nth) < 1 ? 'elements of one name count from 1' : placeHint.xml,
      );
    }
    elements.push({ name: local, nth: Number(nth) });
  }
  if (elements.length === 0) return refused(`"${text}" names no element`, placeHint.xml);
  return { place: { kind: 'element', steps: elements, ...(attribute !== undefined && { attribute }) } };
}

/** The place as reasons name it. */
export function showPlace(place: Place): string {
  switch (place.kind) {
    case 'pointer':
      return place.tokens.length === 0 ? 'body' : formatPointer(place.tokens);
    case 'property':
    case 'annotation':
      return `${place.kind} ${place.name}`;
    case 'column':
      return `column ${place.name}`;
    case 'column-number':
      return `column ${place.number}`;
    case 'byte':
      return `byte ${place.offset}`;
    case 'element':
      return `${place.steps.map(({ name, nth }) => `/${name}${nth > 1 ? `[${nth}]` : ''}`).join('')}${place.attribute === undefined ? '' : `/@${place.attribute}`}`;
    case 'whole':
      return 'text';
  }
}
