import { azure } from '../hub-client/azure/definition.ts';
import type { HubClientKind } from '../hub-client/contract.ts';

/** Every kind of hub this gateway can send to, beside the embedded one. A definition is light; its library loads when it is used. */
export const hubKinds: readonly HubClientKind[] = [azure as HubClientKind];

export function hubKindNamed(name: string): HubClientKind | undefined {
  return hubKinds.find((kind) => kind.name === name);
}
