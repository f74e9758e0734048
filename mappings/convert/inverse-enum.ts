import type { Scalar } from '../../model/value.ts';
import type { Writable } from '../equipment.ts';
import { suggestion } from '../nearest.ts';

/** From a word to its number. A word of two numbers cannot be written: which one is meant is not said. */
export function inverseEnum(words: ReadonlyMap<bigint, string>, bool: boolean): (value: Scalar) => Writable {
  const numbers = new Map<string, bigint[]>();
  for (const [number, word] of words) numbers.set(word, [...(numbers.get(word) ?? []), number]);
  return (value) => {
    const found = typeof value === 'string' ? numbers.get(value) : undefined;
    if (!found) {
      const hint = suggestion(String(value), [...numbers.keys()]);
      return { refused: `${typeof value === 'string' ? JSON.stringify(value) : value} is not one of its words${hint ? `; ${hint}` : ''}` };
    }
    if (found.length > 1) return { refused: `"${value}" stands for ${found.join(' and ')}; which of them is meant cannot be told` };
    const [number] = found as [bigint];
    if (bool) return { raw: number === 1n };
    return { raw: Number.isSafeInteger(Number(number)) ? Number(number) : number };
  };
}
