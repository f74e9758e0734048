import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { installedAdapters } from '../../adapters.ts';
import { openLastGood } from '../../last-good.ts';
import { loadMappingSet, type MappingSet } from '../../mapping-set.ts';
import { planReload, type ReloadPlan } from '../../reload-plan.ts';
import { RemoteConfiguration } from '../remote.ts';
import { ConfigurationService } from '../service.ts';

export const quiet = { debug() {}, info() {}, warn() {}, error() {} };
export const machine = (id: string, scale = 0.1, sample = ''): string =>
  `equipment: ${id}\nconnection: { adapter: modbus, host: 127.0.0.1 }\npoints:\n  level: { at: holding 1, type: uint16, scale: ${scale} }\n${sample}`;
export const anna = { who: 'anna', from: 'command' };

/** A gateway without machines: it only loads what is in force. */
export async function box(folder: string, mappings = [join(folder, 'mappings')]) {
  mkdirSync(join(folder, 'mappings'), { recursive: true });
  const lastGood = await openLastGood(join(folder, 'last-good.json'));
  const parts = { folder: join(folder, 'configuration'), base: folder, mappings, adapters: installedAdapters, lastGood, log: quiet };
  const service = await ConfigurationService.open(parts);
  let set: MappingSet = await loadMappingSet(mappings, installedAdapters, lastGood, service.managed);
  const applySettings = vi.fn();
  let fail: string | undefined;
  const host = {
    get equipment() {
      return set.equipment;
    },
    async reload(): Promise<{ plan: ReloadPlan; problems: MappingSet['problems'] }> {
      if (fail !== undefined) {
        const reason = fail;
        fail = undefined;
        throw new Error(reason);
      }
      const before = set.equipment;
      set = await loadMappingSet(mappings, installedAdapters, lastGood, service.managed);
      const plan = planReload(before, set.equipment);
      void service.note(set.texts, plan);
      return { plan, problems: set.problems };
    },
    applySettings,
  };
  await service.note(set.texts, planReload([], set.equipment));
  service.attach(host);
  return {
    service,
    host,
    applySettings,
    remote: new RemoteConfiguration(service, quiet),
    runs: () => Object.fromEntries(set.equipment.map(({ id, file }) => [id, file.slice(folder.length + 1)]).toSorted()),
    problems: () => set.problems.map(({ rule }) => rule),
    scaleOf: (id: string) => {
      const point = set.equipment.find((one) => one.id === id)!.points[0]!;
      return point.convert(100, 'uint16', undefined, { value: undefined, type: undefined, quality: 'bad', state: undefined }).value;
    },
    failNextReload: (reason: string) => {
      fail = reason;
    },
    local: (name: string, text: string) => writeFileSync(join(folder, 'mappings', name), text),
    reloadLocal: async () => {
      await host.reload();
      await service.settled();
    },
  };
}
