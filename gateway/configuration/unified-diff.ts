type Edit = { readonly kind: ' ' | '-' | '+'; readonly line: string };

const context = 3;
/** Beyond so many differences the rest is shown as replaced: a diff is for people. */
const mostEdits = 400;

/** Two texts as `diff -u` shows them; undefined stands for a file that is not there. Empty when they are equal. `old` is its name before. */
export function unifiedDiff(name: string, before: string | undefined, after: string | undefined, old = name): string {
  if (before === after) return '';
  const edits = editsBetween(linesOf(before), linesOf(after));
  const head = [`--- ${before === undefined ? '/dev/null' : `a/${old}`}`, `+++ ${after === undefined ? '/dev/null' : `b/${name}`}`];
  return `${[...head, ...hunks(edits)].join('\n')}\n`;
}

const noNewline = '\n\\ No newline at end of file';

function linesOf(text: string | undefined): string[] {
  if (text === undefined || text === '') return [];
  const lines = text.split('\n');
  const last = lines.pop()!;
  return last === '' ? lines : [...lines, `${last}${noNewline}`];
}

function editsBetween(a: readonly string[], b: readonly string[]): Edit[] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const same = (lines: readonly string[]): Edit[] => lines.map((line) => ({ kind: ' ', line }));
  const middle = shortest(a.slice(start, a.length - end), b.slice(start, b.length - end));
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
}

/** Myers, "An O(ND) Difference Algorithm and Its Variations" (1986): the fewest lines taken and given. */
function shortest(a: readonly string[], b: readonly string[]): Edit[] {
  const most = Math.min(a.length + b.length, mostEdits);
  const furthest = new Map<number, number>([[1, 0]]);
  const trace: Map<number, number>[] = [];
  for (let d = 0; d <= most; d++) {
    trace.push(new Map(furthest));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (furthest.get(k - 1) ?? 0) < (furthest.get(k + 1) ?? 0));
      let x = down ? (furthest.get(k + 1) ?? 0) : (furthest.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      furthest.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, trace);
    }
  }
  return [...a.map((line): Edit => ({ kind: '-', line })), ...b.map((line): Edit => ({ kind: '+', line }))];
}

function walkBack(a: readonly string[], b: readonly string[], trace: readonly ReadonlyMap<number, number>[]): Edit[] {
  const edits: Edit[] = [];
  let [x, y] = [a.length, b.length];
  for (let d = trace.length - 1; d >= 0; d--) {
    const furthest = trace[d]!;
    const k = x - y;
    const down = k === -d || (k !== d && (furthest.get(k - 1) ?? 0) < (furthest.get(k + 1) ?? 0));
    const fromK = down ? k + 1 : k - 1;
    const fromX = furthest.get(fromK) ?? 0;
    const fromY = fromX - fromK;
    while (x > fromX && y > fromY && x > 0 && y > 0) {
      edits.push({ kind: ' ', line: a[--x]! });
      y--;
    }
    if (d > 0) edits.push(down ? { kind: '+', line: b[--y]! } : { kind: '-', line: a[--x]! });
  }
  return edits.reverse();
}

function hunks(edits: readonly Edit[]): string[] {
  const lines: string[] = [];
  let [oldLine, newLine] = [1, 1];
  for (let i = 0; i < edits.length; ) {
    if (edits[i]!.kind === ' ') {
      i++;
      oldLine++;
      newLine++;
      continue;
    }
    const from = Math.max(0, i - context);
    let to = i;
    for (let j = i; j < edits.length && j - to <= 2 * context; j++) if (edits[j]!.kind !== ' ') to = j;
    const hunk = edits.slice(from, to + 1 + context);
    const [oldStart, newStart] = [oldLine - (i - from), newLine - (i - from)];
    const oldCount = hunk.filter(({ kind }) => kind !== '+').length;
    const newCount = hunk.filter(({ kind }) => kind !== '-').length;
    lines.push(`@@ -${span(oldStart, oldCount)} +${span(newStart, newCount)} @@`, ...hunk.map(({ kind, line }) => `${kind}${line}`));
    oldLine = oldStart + oldCount;
    newLine = newStart + newCount;
    i = from + hunk.length;
  }
  return lines;
}

function span(start: number, count: number): string {
  if (count === 0) return `${start - 1},0`;
  return count === 1 ? `${start}` : `${start},${count}`;
}
