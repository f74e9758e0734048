import { cloudevents } from './cloudevents/encoding.ts';
import type { Encoding } from './contract.ts';
import { csv } from './csv/encoding.ts';
import { flat } from './flat/encoding.ts';
import { opcuaPubsub } from './opcua-pubsub/encoding.ts';
import { senml } from './senml/encoding.ts';
import { sparkplugB } from './sparkplug/encoding.ts';

/** Every form in which readings can leave; the first is the default. */
export const encodings: readonly Encoding[] = [cloudevents, opcuaPubsub, sparkplugB, flat, senml, csv];

export function encodingNamed(name: string): Encoding | undefined {
  return encodings.find((encoding) => encoding.name === name);
}
