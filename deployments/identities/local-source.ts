import { randomBytes, randomInt } from 'node:crypto';
import type { IdentitySource } from './module-identities.ts';

/** Identities for a box whose hub knows none: random keys of 32 bytes, a new generation id each time. */
export function localIdentitySource(deviceId: string, now: () => number = Date.now): IdentitySource {
  return {
    local: true,
    async create(moduleId) {
      const generationId = `${now()}${String(randomInt(100_000)).padStart(5, '0')}`;
      return { deviceId, moduleId, generationId, primaryKey: newKey(), secondaryKey: newKey() };
    },
    async delete() {},
  };
}

const newKey = (): string => randomBytes(32).toString('base64');
