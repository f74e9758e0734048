import { amqp } from '../hub-client/amqp/definition.ts';
import { azure } from '../hub-client/azure/definition.ts';
import type { HubClientKind } from '../hub-client/contract.ts';
import { file } from '../hub-client/file/definition.ts';
import { mqtt } from '../hub-client/mqtt/definition.ts';

/** Every kind of hub this gateway can send to, beside the embedded one. A definition is light; its library loads when it is used. */
export const hubKinds: readonly HubClientKind[] = [
  azure as HubClientKind,
  mqtt as HubClientKind,
  amqp as HubClientKind,
  file as HubClientKind,
];

export function hubKindNamed(name: string): HubClientKind | undefined {
  return hubKinds.find((kind) => kind.name === name);
}
