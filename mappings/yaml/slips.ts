/** A slip of the pen that YAML itself reports in words nobody understands, or somewhere else. */
export interface Slip {
  /** In the line, from 0. */
  readonly column: number;
  readonly message: string;
  readonly hint: string;
}

/** Where a value may begin. */
const start = '(?<=(?:[:,[{]|^\\s*-)\\s+)';
/** `plant/{id}/data`, `{id}/data`, `temps[0]`: brackets that are part of a text. */
const brackets = new RegExp(`${start}(?:[^\\s,[\\]{}"'#][^\\s,[\\]{}]*)?(?:\\{\\w+\\}|\\[\\w+\\])[^\\s,]*`, 'g');
const reserved = new RegExp(`${start}[%@\`][^\\s,[\\]{}]*`);
const star = new RegExp(`${start}\\*(?=[\\s,}\\]/])[^\\s,[\\]{}]*`);
const comment = new RegExp(`${start}#[^\\s,[\\]{}]*`);
const twoColons = /: +([^\s,[\]{}]+): +([^\s,[\]{}]+)/;
const noComma = /: +[^\s,[\]{}:][^,[\]{}:]* (\w+): /;

/** The slip in one line of a file that is no YAML; undefined when none of those we know. */
export function slipIn(line: string): Slip | undefined {
  const text = withoutQuoted(line);
  for (const found of text.matchAll(brackets)) {
    const written = balanced(found[0]);
    if (/^(\{\w+\}|\[\w+\])$/.test(written)) continue;
    return quotesFor(written, found.index, `${written} has brackets, in which YAML sees a group or a list`);
  }
  const character = reserved.exec(text);
  if (character) return quotesFor(character[0], character.index, `YAML has its own meaning for a text that begins with ${character[0][0]}`);
  const any = star.exec(text);
  if (any) return quotesFor(any[0], any.index, 'YAML has its own meaning for a text that begins with *');
  const hidden = comment.exec(text);
  if (hidden) return quotesFor(hidden[0], hidden.index, 'from # on this line is a comment');
  const colons = twoColons.exec(text);
  if (colons) {
    const [whole, first, second] = colons;
    const column = colons.index + whole.indexOf(first!);
    return {
      column,
      message: 'there are two keys, or a colon and a space within a text',
      hint: `write ${first}:${second} without the space, or quotes around the text`,
    };
  }
  const comma = noComma.exec(text);
  if (!comma) return undefined;
  const column = comma.index + comma[0].length - comma[1]!.length - 2;
  return { column, message: `a comma is missing before ${comma[1]}:`, hint: 'or quotes around a text that has a colon and a space' };
}

function quotesFor(written: string, column: number, message: string): Slip {
  return { column, message, hint: `put quotes around it: "${written}"` };
}

/** The same line with what stands in quotes blanked. */
const withoutQuoted = (line: string): string =>
  line.replaceAll(/"(?:[^"\\]|\\.)*"|(?<![\w/])'(?:[^']|'')*'/g, (quoted) => `"${'_'.repeat(quoted.length - 2)}"`);

/** Without the brackets at its end that close something outside. */
function balanced(text: string): string {
  let open = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if ('{['.includes(character)) open++;
    else if ('}]'.includes(character) && --open < 0) return text.slice(0, at);
  }
  return text;
}
