/**
 * The text that the parser gets, and where each of its characters stood. Words become operators (`and` is `&&`, `not` reaches as far as a
 * comparison does), and names get a prefix, because a point may be called `loop` or `package`, which the parser keeps for itself.
 */
export interface Translated {
  readonly text: string;
  /** Place in the written text of a place in the translated one. */
  place(translated: number): number;
}

/** Before every name in the translated text. */
export const namePrefix = 'p_';

const token = /(\s+)|("(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)|([A-Za-z_]\w*)|(\d[\w.]*(?:[eE][+-]?\d+)?)|(&&|\|\||[<>=!]=|.)/gsu;

const operators = new Map([
  ['and', '&&'],
  ['or', '||'],
]);
const kept = new Set(['true', 'false', 'in']);
/** Where what a `not` reaches ends. */
const ends = new Set(['&&', '||', '?', ':', ',', ')', ']']);

export function translate(written: string): Translated {
  const starts: number[] = [];
  const places: number[] = [];
  let text = '';
  const put = (piece: string, at: number): void => {
    starts.push(text.length);
    places.push(at);
    text += piece;
  };
  /** Open `not`s, by depth of brackets. */
  const open: number[] = [0];
  const close = (at: number): void => {
    for (let n = open.at(-1) ?? 0; n > 0; n--) put(')', at);
    open[open.length - 1] = 0;
  };
  for (const match of written.matchAll(token)) {
    const [whole, , , name] = match;
    const at = match.index;
    if (name === 'not') {
      put('!(', at);
      open[open.length - 1]!++;
      continue;
    }
    const piece = name === undefined || kept.has(name) ? whole : (operators.get(name) ?? namePrefix + name);
    if (ends.has(piece)) close(at);
    if ((piece === ')' || piece === ']') && open.length > 1) open.pop();
    put(piece, at);
    if (piece === '(' || piece === '[') open.push(0);
  }
  while (open.length > 0) {
    close(written.length);
    open.pop();
  }
  starts.push(text.length);
  places.push(written.length);
  return {
    text,
    place(translated) {
      let i = starts.findIndex((start) => start > translated);
      if (i < 0) i = starts.length;
      i = Math.max(1, i) - 1;
      const inside = Math.max(0, translated - starts[i]!);
      return Math.min(places[i]! + inside, places[i + 1] ?? written.length);
    },
  };
}
