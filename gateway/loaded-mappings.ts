import { join } from 'node:path';
import type { Adapter, Log } from '../adapters/contract.ts';
import { loadAdapters } from './adapters.ts';
import type { GatewayConfig } from './config.ts';
import { ConfigurationService } from './configuration/service.ts';
import { configurationFolder, dataFolder, mappingPaths } from './folders.ts';
import { type LastGood, openLastGood } from './last-good.ts';
import { loadMappingSet, type MappingSet } from './mapping-set.ts';

export interface LoadedMappings {
  readonly set: MappingSet;
  readonly lastGood: LastGood;
  readonly adapters: readonly Adapter[];
  readonly configuration: ConfigurationService;
}

/** The first load, before anything is opened. */
export async function loadGatewayMappings(config: GatewayConfig, log: Log): Promise<LoadedMappings> {
  const adapters = await loadAdapters(config.adapters, config.folder);
  const lastGood = await openLastGood(join(dataFolder(config), 'last-good-mappings.json'));
  const mappings = mappingPaths(config);
  const configuration = await ConfigurationService.open({
    folder: configurationFolder(config),
    base: config.folder,
    mappings,
    adapters,
    lastGood,
    log,
  });
  return { set: await loadMappingSet(mappings, adapters, lastGood, configuration.managed), lastGood, adapters, configuration };
}
