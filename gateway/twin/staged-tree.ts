import { maxDepth } from '../../twin/limits.ts';
import { isTwinObject, type TwinObject } from '../../twin/section.ts';

/** Without a prototype, so that any key may be assigned. */
type Node = { [key: string]: unknown };

const emptyNode = (): Node => Object.create(null) as Node;

/**
 * What the gateway's parts said last, one tree a section, changed in place: a setting of one value costs its path and no more,
 * however large the section is. Copies what it is given.
 */
export class StagedTree {
  readonly #sections = emptyNode();

  constructor(start: TwinObject) {
    for (const [section, value] of Object.entries(start)) this.#sections[section] = copy(value, 0);
  }

  /** A copy that nobody changes; undefined when there is no such section. */
  snapshot(section: string): unknown {
    return plain(this.#sections[section]);
  }

  /** Replaces what stands at `path`; null or undefined removes it. */
  set(path: readonly string[], value: unknown): void {
    const last = path.at(-1);
    if (last === undefined) return;
    const gone = value === null || value === undefined;
    let node = this.#sections;
    for (const key of path.slice(0, -1)) {
      let next = node[key];
      if (!isTwinObject(next)) {
        if (gone) return;
        next = emptyNode();
        node[key] = next;
      }
      node = next as Node;
    }
    if (gone) delete node[last];
    else node[last] = copy(value, path.length);
  }

  /** Merges as a merge patch does. */
  merge(path: readonly string[], patch: TwinObject): void {
    for (const [key, value] of Object.entries(patch)) {
      const at = [...path, key];
      if (value === undefined) continue;
      if (!isPlain(value) || at.length > maxDepth) this.set(at, value);
      else {
        if (!isTwinObject(this.#at(at))) this.set(at, {});
        this.merge(at, value);
      }
    }
  }

  #at(path: readonly string[]): unknown {
    let node: unknown = this.#sections;
    for (const key of path) node = isTwinObject(node) ? node[key] : undefined;
    return node;
  }
}

const isPlain = (value: unknown): value is TwinObject => isTwinObject(value) && typeof value.toJSON !== 'function';

/** As JSON.stringify would see it, without keys that are null; what has no form in JSON stays and is refused by the check of the section. */
function copy(value: unknown, level: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  // Deep enough to be refused; a circle must not be followed.
  if (level > maxDepth + 1) return emptyNode();
  if (Array.isArray(value)) return value.map((item) => copy(item, level + 1));
  if (!isPlain(value)) return copy((value as { toJSON(): unknown }).toJSON(), level + 1);
  const node = emptyNode();
  for (const key of Object.keys(value)) if (value[key] !== null && value[key] !== undefined) node[key] = copy(value[key], level + 1);
  return node;
}

function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
