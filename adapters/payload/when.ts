import type { WhenTest } from './address.ts';
import type { Tree } from './contract.ts';
import type { Fetch } from './fetch.ts';
import type { WhenValue } from './keys.ts';
import { numberOf } from './numbers.ts';

/** One test of a filter, ready to run. */
export interface Filter {
  readonly fetch: Fetch;
  readonly accepts: (node: Tree | undefined) => boolean;
}

/** True for a node that is one of the values. A header knows only text: there `5` is the number 5 and `true` is true. */
export function acceptsOf({ values }: WhenTest): Filter['accepts'] {
  const [only] = values;
  if (values.length === 1 && only !== undefined) return (node) => node !== undefined && same(only, node);
  return (node) => node !== undefined && values.some((value) => same(value, node));
}

function same(wanted: WhenValue, node: Tree): boolean {
  if (wanted === node) return true;
  if (typeof wanted === 'boolean') return typeof node === 'string' && node.trim().toLowerCase() === String(wanted);
  if (typeof wanted === 'string') return (typeof node === 'number' || typeof node === 'bigint') && String(node) === wanted;
  const number = typeof node === 'string' ? numberOf(node.trim()) : node;
  // Ordering compares across number and bigint exactly; equality would tell 5 from 5n.
  return (typeof number === 'number' || typeof number === 'bigint') && number <= wanted && number >= wanted;
}
