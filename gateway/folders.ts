import { join } from 'node:path';
import { type GatewayConfig, inConfigFolder } from './config.ts';

/** Everything that the gateway keeps. */
export function dataFolder(config: GatewayConfig): string {
  return inConfigFolder(config, config.data);
}

export function configurationFolder(config: GatewayConfig): string {
  return join(dataFolder(config), 'configuration');
}

export function deadLetterFolder(config: GatewayConfig): string {
  return join(dataFolder(config), 'dead-letters');
}

export function mappingPaths(config: GatewayConfig): string[] {
  return config.mappings.map((path) => inConfigFolder(config, path));
}

/** What adapters and hub clients keep. */
export function stateFolder(config: GatewayConfig, name: string): string {
  return join(dataFolder(config), 'state', name);
}

export function outboxFolder(config: GatewayConfig): string {
  return inConfigFolder(config, config.outbox.folder ?? join(config.data, 'outbox'));
}
