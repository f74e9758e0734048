import { resolve } from 'node:path';
import type { Adapter, ConnectContext, Log } from '../../adapters/contract.ts';
import type { CompiledEquipment } from '../../mappings/equipment.ts';
import { loadMappings } from '../../mappings/load.ts';
import { formatProblems } from '../../mappings/report.ts';
import { loadAdapters } from '../adapters.ts';
import { secretOpener } from '../secrets.ts';

export interface Selection {
  readonly equipment?: readonly string[];
  readonly data: string;
  readonly json?: boolean;
  /** Adapters that do not come with Dragoman. */
  readonly adapter?: readonly string[];
}

export interface Selected {
  readonly equipment: CompiledEquipment;
  readonly adapter: Adapter;
}

/** The machines a command is about; undefined, with the reason on stderr, when it cannot be said. */
export async function selectEquipment(paths: readonly string[], options: Selection): Promise<readonly Selected[] | undefined> {
  const adapters = await loadAdapters(options.adapter ?? [], process.cwd());
  const { equipment, problems } = await loadMappings(paths, adapters);
  if (problems.length > 0) process.stderr.write(`${formatProblems(problems)}\n`);
  const wanted = options.equipment;
  const unknown = wanted?.filter((id) => !equipment.some((one) => one.id === id)) ?? [];
  if (unknown.length > 0) {
    process.stderr.write(
      `no machine ${unknown.join(', ')} in these files; they have ${equipment.map((one) => one.id).join(', ') || 'none without errors'}\n`,
    );
    return undefined;
  }
  const chosen = wanted ? equipment.filter((one) => wanted.includes(one.id)) : equipment;
  if (chosen.length === 0) return undefined;
  return chosen.map((one) => ({ equipment: one, adapter: adapters.find(({ name }) => name === one.adapter)! }));
}

/** What a connection needs when no gateway runs around it. */
export function commandContext(equipment: CompiledEquipment, data: string, log: Log): ConnectContext {
  return {
    equipment: equipment.id,
    stateFolder: resolve(data, 'state', equipment.adapter),
    log,
    secret: secretOpener(process.cwd()),
    onlyLooks: true,
  };
}

const silent = (): void => {};

/** Commands say what matters themselves. */
export const quietLog: Log = { debug: silent, info: silent, warn: silent, error: silent };
