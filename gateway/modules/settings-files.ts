import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EngineAddress, resolveAddress } from '../../deployments/engine/address.ts';
import type { Signer } from '../../deployments/images/contract.ts';
import { GatewayError } from '../../model/error.ts';
import { type GatewayConfig, inConfigFolder } from '../config.ts';
import type { ModulesSettings } from './settings.ts';

/** Where the engine is, with the certificates that the settings name. Rejects with `modules-file`. */
export async function engineAddress({ engine, engineTls }: ModulesSettings, config: GatewayConfig): Promise<EngineAddress> {
  if (engineTls === undefined) return { url: engine };
  const [ca, certificate, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => pem(config, join(engineTls, name), 'modules.engineTls')),
  );
  return { url: engine, tls: { ca: ca!, certificate: certificate!, key: key! } };
}

/** Where the engine listens on this machine, for the policy; the usual places are known without. */
export function engineSockets(address: EngineAddress): readonly string[] {
  try {
    const resolved = resolveAddress(address);
    return 'socketPath' in resolved ? [resolved.socketPath] : [];
  } catch {
    return [];
  }
}

/** Rejects with `modules-file`. */
export function signersOf({ images }: ModulesSettings, config: GatewayConfig): Promise<readonly Signer[]> {
  return Promise.all(
    Object.entries(images.signers).map(async ([name, file]) => ({
      name,
      publicKey: await pem(config, file, `modules.images.signers.${name}`),
    })),
  );
}

async function pem(config: GatewayConfig, file: string, setting: string): Promise<string> {
  const path = inConfigFolder(config, file);
  return readFile(path, 'utf8').catch((cause: Error) => {
    throw new GatewayError('modules-file', `${path} cannot be read: ${cause.message}`, {
      retry: 'after-fix',
      hint: `correct ${setting} in dragoman.yaml`,
      cause,
    });
  });
}
