import { cloudevents } from './cloudevents/encoding.ts';
import type { Encoding, EncodingForm } from './contract.ts';
import { csv } from './csv/encoding.ts';
import { flat } from './flat/encoding.ts';
import { pubSubForm } from './opcua-pubsub/form.ts';
import { senml } from './senml/encoding.ts';
import { sparkplugForm } from './sparkplug/form.ts';

/** Loaded when a destination uses it: a library that nobody needs takes memory from a gateway that never ends. */
export interface ListedEncoding extends EncodingForm {
  load(): Promise<Encoding>;
}

const here = (encoding: Encoding): ListedEncoding => ({ ...encoding, load: async () => encoding });

/** Every form in which readings can leave; the first is the default. */
export const encodings: readonly ListedEncoding[] = [
  here(cloudevents),
  { ...pubSubForm, load: async () => (await import('./opcua-pubsub/encoding.ts')).opcuaPubsub },
  { ...sparkplugForm, load: async () => (await import('./sparkplug/encoding.ts')).sparkplugB },
  here(flat),
  here(senml),
  here(csv),
];

export function encodingNamed(name: string): ListedEncoding | undefined {
  return encodings.find((encoding) => encoding.name === name);
}
