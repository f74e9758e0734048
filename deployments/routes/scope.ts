import type { RoutedMessage } from '../contract.ts';

/** In place of a value that is not there, or that has no meaning; nothing is routed by it. */
export type Value = string | number | boolean | null | undefined;

const unreadable = Symbol('not a JSON object');

/** One message while its routes are looked for. Its body is read once, and only when a condition asks for it. */
export class Scope {
  readonly message: RoutedMessage;
  #lower: Map<string, string> | undefined;
  #body: object | typeof unreadable | undefined;

  constructor(message: RoutedMessage) {
    this.message = message;
  }

  /** Names of application properties are the same in any case. */
  property(name: string, lower: string): string | undefined {
    const { properties } = this.message;
    if (Object.hasOwn(properties, name)) return properties[name];
    this.#lower ??= new Map(Object.entries(properties).map(([key, value]) => [key.toLowerCase(), value]));
    return this.#lower.get(lower);
  }

  system(name: string, lower: string): string | undefined {
    const { system } = this.message;
    if (Object.hasOwn(system, name)) return system[name];
    for (const key of Object.keys(system)) if (key.toLowerCase() === lower) return system[key];
    return undefined;
  }

  /** A missing place is null; one that holds an object or a list is undefined, as is everything in a body that is no JSON object. */
  body(path: readonly (string | number)[]): Value {
    this.#body ??= bodyOf(this.message);
    if (this.#body === unreadable) return undefined;
    let value: unknown = this.#body;
    for (const step of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return null;
      value = (value as Record<string | number, unknown>)[step];
    }
    return typeof value === 'object' && value !== null ? undefined : (value as Value);
  }

  /** Whether the change of a twin that this message tells of has something at this path. */
  changes(path: readonly string[]): boolean {
    this.#body ??= bodyOf(this.message);
    let value: unknown = this.#body === unreadable ? undefined : this.#body;
    for (const step of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return false;
      value = (value as Record<string, unknown>)[step];
    }
    return value !== undefined;
  }
}

const encodings: Readonly<Record<string, string>> = { '': 'utf-8', 'utf-8': 'utf-8', 'utf-16': 'utf-16le' };

function bodyOf({ body, system }: RoutedMessage): object | typeof unreadable {
  if (system.contentType?.toLowerCase() !== 'application/json') return unreadable;
  const encoding = (system.contentEncoding ?? '').toLowerCase();
  try {
    const text = encoding === 'utf-32' ? fromUtf32(body) : decoded(body, encodings[encoding]);
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : unreadable;
  } catch {
    return unreadable;
  }
}

const decoded = (body: Uint8Array, encoding: string | undefined): string | undefined =>
  encoding === undefined ? undefined : new TextDecoder(encoding, { fatal: true }).decode(body);

function fromUtf32(body: Uint8Array): string | undefined {
  if (body.byteLength % 4 !== 0) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let text = '';
  for (let at = 0; at < body.byteLength; at += 4) text += String.fromCodePoint(view.getUint32(at, true));
  return text.replace(/^\ufeff/, '');
}
