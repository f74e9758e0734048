import { cloudevents } from './cloudevents/encoding.ts';
import type { Encoding } from './contract.ts';

/** Every form in which readings can leave; the first is the default. */
export const encodings: readonly Encoding[] = [cloudevents as Encoding];

export function encodingNamed(name: string): Encoding | undefined {
  return encodings.find((encoding) => encoding.name === name);
}
