import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { amqp } from '../adapters/amqp/adapter.ts';
import type { Adapter } from '../adapters/contract.ts';
import { http } from '../adapters/http/adapter.ts';
import { modbus } from '../adapters/modbus/adapter.ts';
import { mqtt } from '../adapters/mqtt/adapter.ts';
import { opcua } from '../adapters/opcua/adapter.ts';
import { GatewayError } from '../model/error.ts';

/** Every adapter that comes with the gateway. A definition is light; its protocol library loads when a machine needs it. */
export const installedAdapters: readonly Adapter[] = [
  modbus as Adapter,
  opcua as Adapter,
  amqp as Adapter,
  mqtt as Adapter,
  http as Adapter,
];

/**
 * Those that come with the gateway and those that `adapters:` of the configuration names: packages installed beside the configuration
 * (or the gateway), or folders that begin with `.` or `/`. Each module gives an adapter as `adapter` or as its default.
 */
export async function loadAdapters(names: readonly string[], baseFolder: string): Promise<readonly Adapter[]> {
  const all = [...installedAdapters];
  // Foreign adapters import `dragoman/adapter`, and must get this very program.
  if (names.length > 0) (await import('../adapters/offer-kit.ts')).offerKit();
  for (const name of names) {
    const adapter = await loadAdapter(name, baseFolder);
    if (all.some((one) => one.name === adapter.name)) {
      const hint = 'each adapter needs a word of its own after connection.adapter; rename it in the package';
      throw new GatewayError('adapter-twice', `adapters: ${name} brings an adapter named ${adapter.name}, and there is one already`, {
        retry: 'after-fix',
        hint,
      });
    }
    all.push(adapter);
  }
  return all;
}

async function loadAdapter(name: string, baseFolder: string): Promise<Adapter> {
  let module: { readonly adapter?: unknown; readonly default?: unknown };
  try {
    module = await import(pathToFileURL(entryOf(name, baseFolder)).href);
  } catch (cause) {
    throw new GatewayError('adapter-missing', `adapters: ${name} cannot be loaded: ${(cause as Error).message.split('\n')[0]}`, {
      retry: 'after-fix',
      hint: `install the package beside dragoman.yaml, or name its folder: ./${name.replace(/^\.*\//, '')}`,
      cause,
    });
  }
  const found = module.adapter ?? module.default;
  if (isAdapter(found)) return found;
  throw new GatewayError('adapter-missing', `adapters: ${name} gives no adapter`, {
    retry: 'after-fix',
    hint: 'its main module must export an object named adapter with name, summary, connection, point, compilePoint, sample and load; see docs/adapters.md',
  });
}

/** A folder is looked up like a package: by the `exports` or `main` of its package.json. */
function entryOf(name: string, baseFolder: string): string {
  const from = createRequire(resolve(baseFolder, 'dragoman.yaml'));
  if (!/^[./]/.test(name)) {
    try {
      return from.resolve(name);
    } catch {
      return createRequire(import.meta.url).resolve(name);
    }
  }
  return from.resolve(resolve(baseFolder, name));
}

function isAdapter(value: unknown): value is Adapter {
  if (typeof value !== 'object' || value === null) return false;
  const { name, load, compilePoint, connection, point } = value as Partial<Adapter>;
  return typeof name === 'string' && typeof load === 'function' && typeof compilePoint === 'function' && !!connection && !!point;
}
