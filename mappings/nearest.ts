import { synonym } from './synonyms.ts';

/** Edits between two words; swapping two neighbours counts as one, as it is one slip of the fingers (Damerau, optimal alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1, (last[j - 1] as number) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, (before[j - 2] as number) + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}

const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_ ]/g, '');

/** The known word that was probably meant; undefined when none is near. Case, hyphens and underscores are forgiven first. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > 64) return undefined;
  const written = plain(word);
  let best: string | undefined;
  // Of a word of one letter nothing is left that could be meant.
  let bestDistance = Math.min(Math.max(1, Math.ceil(written.length / 3)) + 0.5, written.length);
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) > 3 + candidate.length / 2) continue;
    // Words that begin the same are likelier: `endpoit` is endpoint before it is anything else as far away.
    const away = distance(written, plain(candidate)) - (plain(candidate)[0] === written[0] ? 0.25 : 0);
    if (away < bestDistance) [best, bestDistance] = [candidate, away];
  }
  return best;
}

/** `did you mean CDAB?` or, when nothing is near, the choice if it is short. */
export function suggestion(word: string, known: readonly string[]): string | undefined {
  const near = synonym(word, known) ?? nearest(word, known);
  if (near !== undefined && near !== word) return `did you mean ${near}?`;
  return known.length > 0 && known.length <= 24 ? `known: ${known.join(', ')}` : undefined;
}
