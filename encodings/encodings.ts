import { cloudevents } from './cloudevents/encoding.ts';
import type { Encoding } from './contract.ts';
import { csv } from './csv/encoding.ts';
import { flat } from './flat/encoding.ts';
import { senml } from './senml/encoding.ts';
import { sparkplugB } from './sparkplug/encoding.ts';

/** Every form in which readings can leave; the first is the default. */
export const encodings: readonly Encoding[] = [
  cloudevents,
  sparkplugB,
  flat,
  senml,
  csv,
] as readonly Encoding<never>[] as readonly Encoding[];

export function encodingNamed(name: string): Encoding | undefined {
  return encodings.find((encoding) => encoding.name === name);
}
