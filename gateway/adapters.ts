import type { Adapter } from '../adapters/contract.ts';
import { modbus } from '../adapters/modbus/adapter.ts';
import { opcua } from '../adapters/opcua/adapter.ts';

/** Every adapter that this gateway knows. A definition is light; its protocol library loads when a machine needs it. */
export const installedAdapters: readonly Adapter[] = [modbus as Adapter, opcua as Adapter];

export function adapterNamed(name: string): Adapter | undefined {
  return installedAdapters.find((adapter) => adapter.name === name);
}
