import type { Captures } from '../../model/sample.ts';
import type { TopicFilter } from './topic.ts';

interface Node<Entry> {
  readonly texts: Map<string, Node<Entry>>;
  any: Node<Entry> | undefined;
  /** Filters that end here, and those that end with `#` here. */
  readonly here: Placed<Entry>[];
  readonly rest: Placed<Entry>[];
}

interface Placed<Entry> {
  readonly filter: TopicFilter;
  readonly entry: Entry;
}

export interface Match<Entry> {
  readonly entry: Entry;
  readonly captures: Captures;
}

/** Finds what wants a topic by walking its levels: the cost grows with the levels and the matches, not with the filters. */
export class TopicTree<Entry> {
  readonly #root: Node<Entry> = node();

  add(filter: TopicFilter, entry: Entry): void {
    let at = this.#root;
    for (const level of filter.levels) {
      if (level.kind === 'rest') {
        at.rest.push({ filter, entry });
        return;
      }
      if (level.kind === 'text') {
        const next = at.texts.get(level.text) ?? node();
        at.texts.set(level.text, next);
        at = next;
      } else at = at.any ??= node();
    }
    at.here.push({ filter, entry });
  }

  match(topic: string): readonly Match<Entry>[] {
    const levels = topic.split('/');
    const found: Match<Entry>[] = [];
    const take = (placed: readonly Placed<Entry>[]): void => {
      for (const { filter, entry } of placed) found.push({ entry, captures: capturesOf(filter, levels) });
    };
    const visit = (at: Node<Entry>, depth: number): void => {
      // A wildcard at the start does not match $SYS and its like (MQTT 5 §4.7.2).
      const wild = depth > 0 || !topic.startsWith('$');
      // `a/#` matches `a` itself too.
      if (wild) take(at.rest);
      const level = levels[depth];
      if (level === undefined) {
        take(at.here);
        return;
      }
      const next = at.texts.get(level);
      if (next) visit(next, depth + 1);
      if (wild && at.any) visit(at.any, depth + 1);
    };
    visit(this.#root, 0);
    return found;
  }
}

function node<Entry>(): Node<Entry> {
  return { texts: new Map(), any: undefined, here: [], rest: [] };
}

const none: Captures = Object.freeze({});

function capturesOf(filter: TopicFilter, levels: readonly string[]): Captures {
  if (filter.captures.length === 0) return none;
  const captures: Record<string, string> = {};
  filter.levels.forEach((level, i) => {
    if (level.kind === 'capture') captures[level.name] = levels[i]!;
  });
  return captures;
}
