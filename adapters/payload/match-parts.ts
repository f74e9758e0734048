/** A part of a regular expression: a set of characters or a group, and how often it comes. */
export interface Item {
  /** Bit n: the character n, up to 255; bit 256: any other. 0 for what matches no character (`^`, `\b`). */
  readonly set: bigint;
  readonly alternatives?: readonly Sequence[];
  readonly min: number;
  readonly max: number;
  /** `^`: a match can only begin at the beginning. */
  readonly anchor?: boolean;
}
export type Sequence = readonly Item[];

interface Refusal {
  readonly message: string;
  readonly hint: string;
}

export interface Parts {
  readonly alternatives: readonly Sequence[];
  /** Groups that give a value. */
  readonly groups: number;
  readonly refusal?: Refusal;
}

/** A repetition with numbers is written out; longer ones are refused. */
const mostCopies = 64;

class Refused extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Takes an expression apart that RegExp has accepted with the flag `u`. */
export function parseExpression(source: string): Parts {
  const parser = new Parser(source);
  try {
    return { alternatives: parser.alternatives(), groups: parser.groups };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { alternatives: [], groups: 0, refusal: { message: error.message, hint: error.hint } };
  }
}

class Parser {
  readonly #source: string;
  #at = 0;
  groups = 0;

  constructor(source: string) {
    this.#source = source;
  }

  alternatives(): Sequence[] {
    const found: Item[][] = [[]];
    while (this.#at < this.#source.length && this.#source[this.#at] !== ')') {
      if (this.#source[this.#at] === '|') {
        this.#at++;
        found.push([]);
      } else found.at(-1)!.push(...this.#repeated(this.#atom()));
    }
    return found;
  }

  #atom(): Item {
    const source = this.#source;
    const c = source[this.#at]!;
    if (c === '(') return this.#group();
    if (c === '^' || c === '$') {
      this.#at++;
      return { set: 0n, min: 1, max: 1, ...(c === '^' && { anchor: true }) };
    }
    const atom = /\[(?:\\.|[^\]\\])*\]|\\u\{[0-9a-fA-F]+\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[pP]\{[^}]*\}|\\c[A-Za-z]|\\.|./suy;
    atom.lastIndex = this.#at;
    const text = atom.exec(source)![0];
    this.#at += text.length;
    if (/^\\[1-9k]/.test(text)) throw new Refused('a reference back to a group', 'Write the part out');
    if (/^\\[bB]$/.test(text)) return { set: 0n, min: 1, max: 1 };
    return { set: setOf(text), min: 1, max: 1 };
  }

  #group(): Item {
    const kind = /^\((?:\?<?[=!]|\?<[^>]*>|\?[a-z-]*:)?/.exec(this.#source.slice(this.#at))![0];
    if (/[=!]$/.test(kind)) throw new Refused('looking ahead or behind', 'Write what stands there, outside of the group');
    if (/^\(\?[a-z-]+:/.test(kind)) throw new Refused('options within a group', 'Write [Aa] for a letter of either case');
    if (!kind.endsWith(':')) this.groups++;
    this.#at += kind.length;
    const alternatives = this.alternatives();
    this.#at++;
    return { set: 0n, alternatives, min: 1, max: 1 };
  }

  #repeated(item: Item): Item[] {
    const found = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.#source.slice(this.#at));
    if (!found) return [item];
    this.#at += found[0].length;
    const [text, from, comma, to] = found;
    const min = from === undefined ? (text.startsWith('+') ? 1 : 0) : Number(from);
    const max =
      from === undefined
        ? text.startsWith('?')
          ? 1
          : Number.POSITIVE_INFINITY
        : comma === ''
          ? min
          : to === ''
            ? Number.POSITIVE_INFINITY
            : Number(to);
    // A set that comes a fixed number of times is one step; a group is written out.
    if (!item.alternatives || max === Number.POSITIVE_INFINITY) return [{ ...item, min, max }];
    if (max > mostCopies) throw new Refused(`a group that comes ${max} times`, `Write at most ${mostCopies}`);
    return Array.from({ length: max }, (_, i) => ({ ...item, min: i < min ? 1 : 0, max: 1 }));
  }
}

const sets = new Map<string, bigint>();

function setOf(text: string): bigint {
  const known = sets.get(text);
  if (known !== undefined) return known;
  const one = new RegExp(`^${text}$`, 'su');
  let set = 0n;
  for (let code = 0; code < 256; code++) if (one.test(String.fromCharCode(code))) set |= 1n << BigInt(code);
  // Which others it holds is not looked at: two that hold any may share one.
  if (/[^\0-\xff]|\\u|\\p|\\P|^\.$|^\[\^|\\[DWS]/su.test(text)) set |= 1n << 256n;
  if (sets.size < 10_000) sets.set(text, set);
  return set;
}
