import type { Tree } from './contract.ts';
import { maxDepth, parseExactJson } from './exact-json.ts';
import { membersAt, resolveJson, resolveTree } from './pointer.ts';
import { decodeText, markLength } from './text.ts';
import { UndecodableError } from './undecodable.ts';

/** A JSON body, decoded; answers what stands at a pointer. */
export interface JsonBody {
  at(tokens: readonly string[]): Tree | undefined;
  /** Keys of the object there, for what is said when one is missing. */
  members(tokens: readonly string[]): readonly string[];
}

/**
 * Decodes a body with JSON.parse where that loses nothing, and with the exact parser where a number is too long for a double, a key
 * may come twice or the text is not JSON. UndecodableError with the offset when it cannot be read.
 */
export function decodeJson(bytes: Uint8Array): JsonBody {
  const text = decodeText(bytes);
  const mark = markLength(bytes);
  const { keys, long } = scan(text, mark);
  if (!long) {
    const plain = parsePlain(text);
    // As many members as colons: no key hides another one.
    if (plain && membersOf(plain.value) === keys) {
      const { value } = plain;
      return { at: (tokens) => resolveJson(value, tokens), members: (tokens) => membersAt(value, tokens) };
    }
  }
  return treeBody(parseExactJson(text, mark));
}

export function treeBody(tree: Tree): JsonBody {
  return { at: (tokens) => resolveTree(tree, tokens), members: (tokens) => membersAt(tree, tokens) };
}

function parsePlain(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** Digits in a row that every double carries. */
const safeDigits = 15;

/** One pass over the text: colons outside of strings, nesting, and whether a number needs the exact parser. */
function scan(text: string, mark: number): { readonly keys: number; readonly long: boolean } {
  let keys = 0;
  let depth = 0;
  let digits = 0;
  let long = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x30 && c <= 0x39) {
      if (++digits > safeDigits) long = true;
      continue;
    }
    // The point keeps the count going; an exponent can reach beyond what a double holds.
    if (c === 0x2e) continue;
    if ((c === 0x65 || c === 0x45) && digits > 0) long = true;
    digits = 0;
    if (c === 0x22) {
      for (i++; i < text.length; i++) {
        const s = text.charCodeAt(i);
        if (s === 0x22) break;
        if (s === 0x5c) i++;
      }
    } else if (c === 0x3a) keys++;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > maxDepth)
        throw new UndecodableError(`not JSON: more than ${maxDepth} levels of nesting`, mark + Buffer.byteLength(text.slice(0, i)));
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return { keys, long };
}

/** Members of all objects within; the depth has been bounded before. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const each of value) if (typeof each === 'object') members += membersOf(each);
    return members;
  }
  for (const key in value) {
    members++;
    const each = (value as Record<string, unknown>)[key];
    if (typeof each === 'object') members += membersOf(each);
  }
  return members;
}
