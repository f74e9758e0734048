import { nearest } from '../../mappings/nearest.ts';
import type { Place } from './address.ts';
import type { DecodedBody } from './body.ts';
import { showPlace } from './notation.ts';

/** More keys than this nobody looks through. */
const mostKeys = 500;

/** The place of this body that was probably meant, in the notation of `at`; undefined when none is near. Only for places that are missing. */
export function nearPlace(place: Place, body: DecodedBody): string | undefined {
  if (place.kind === 'column') {
    const near = nearestOf(place.name, [...(body.csv?.columns?.keys() ?? [])]);
    return near === undefined ? undefined : `column:${near}`;
  }
  if (place.kind !== 'pointer' || !body.json) return undefined;
  const tokens = [...place.tokens];
  for (let depth = 0; depth < tokens.length; depth++) {
    if (body.json.at(tokens.slice(0, depth + 1)) !== undefined) continue;
    const near = nearestOf(tokens[depth]!, body.json.members(tokens.slice(0, depth)));
    if (near === undefined) return undefined;
    tokens[depth] = near;
  }
  return showPlace({ kind: 'pointer', tokens });
}

const nearestOf = (word: string, known: readonly string[]): string | undefined => nearest(word, known.slice(0, mostKeys));
