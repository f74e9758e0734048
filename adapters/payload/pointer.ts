import type { Tree } from './contract.ts';

/**
 * The tokens of a JSON Pointer (RFC 6901 §3): `~1` is `/`, `~0` is `~`. Undefined when it is none: it neither is empty nor begins
 * with a slash, or a `~` stands before something else.
 */
export function parsePointer(text: string): readonly string[] | undefined {
  if (text === '') return [];
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined;
  return text
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function formatPointer(tokens: readonly string[]): string {
  return tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** An array is entered by a number without leading zeros (RFC 6901 §4); `-`, the element after the last, is never there. */
const arrayIndex = /^(?:0|[1-9]\d{0,8})$/;

/** What stands at the pointer in a tree; undefined when nothing does. */
export function resolveTree(root: Tree, tokens: readonly string[]): Tree | undefined {
  let node: Tree | undefined = root;
  for (const token of tokens) {
    if (node instanceof Map) node = node.get(token);
    else if (Array.isArray(node)) node = arrayIndex.test(token) ? node[Number(token)] : undefined;
    else return undefined;
  }
  return node;
}

/** The keys of the object at the pointer, of a tree or of what JSON.parse gives; none where there is no object. */
export function membersAt(root: unknown, tokens: readonly string[]): readonly string[] {
  let node = root;
  for (const token of tokens) {
    if (node instanceof Map) node = node.get(token);
    else if (typeof node === 'object' && node !== null)
      node = Object.hasOwn(node, token) ? (node as Record<string, unknown>)[token] : undefined;
  }
  if (node instanceof Map) return [...node.keys()];
  return typeof node === 'object' && node !== null && !Array.isArray(node) ? Object.keys(node) : [];
}

/** Stands for an object where a value was expected; nobody looks inside. */
const anObject: Tree = new Map();

/**
 * The same in what JSON.parse gives, where an object is a plain one. Objects come back as a map without content, so that
 * `{"decimal":"1"}` of a machine is never taken for the decimal of a tree.
 */
export function resolveJson(root: unknown, tokens: readonly string[]): Tree | undefined {
  let node = root;
  for (const token of tokens) {
    if (typeof node !== 'object' || node === null) return undefined;
    if (Array.isArray(node)) node = arrayIndex.test(token) ? node[Number(token)] : undefined;
    else node = Object.hasOwn(node, token) ? (node as Record<string, unknown>)[token] : undefined;
  }
  return typeof node === 'object' && node !== null ? sealed(node) : (node as Tree | undefined);
}

function sealed(node: object): Tree {
  if (!Array.isArray(node)) return anObject;
  return node.some((each) => typeof each === 'object' && each !== null)
    ? node.map((each: Tree) => (typeof each === 'object' && each !== null ? (Array.isArray(each) ? [] : anObject) : each))
    : node;
}
