import { z } from 'zod';
import { GatewayError } from '../../model/error.ts';
import type { ModuleIdentity } from '../contract.ts';

/** The file of identities. */
export interface StoredIdentities {
  readonly deviceId: string;
  readonly identities: readonly ModuleIdentity[];
  /** Removed on this box, still to be deleted at the source. */
  readonly leaving: readonly string[];
}

const Stored = z.object({
  deviceId: z.string(),
  identities: z.array(
    z.object({
      deviceId: z.string(),
      moduleId: z.string().min(1),
      generationId: z.string().min(1),
      primaryKey: z.string(),
      secondaryKey: z.string().optional(),
    }),
  ),
  leaving: z.array(z.string()),
});

/** None when there is no file, or when it is of another device: a box that was given a new name starts anew. */
export function readStored(text: string | undefined, deviceId: string): StoredIdentities {
  const none: StoredIdentities = { deviceId, identities: [], leaving: [] };
  if (text === undefined) return none;
  const stored = parse(text);
  return stored.deviceId === deviceId ? stored : none;
}

function parse(text: string): StoredIdentities {
  try {
    return Stored.parse(JSON.parse(text)) as StoredIdentities;
  } catch {
    // The cause would quote the text, and keys are in it.
    throw new GatewayError('identities-damaged', 'the file identities.json, which has the keys of the modules, cannot be read', {
      retry: 'after-fix',
      hint: 'restore it from a backup, or move it away: keys are then asked from the hub, or made anew where there is none, and modules restart',
    });
  }
}

/** What is wrong with an identity that a source gave for `moduleId`; never quotes a key. */
export function wrongIdentity(identity: ModuleIdentity, deviceId: string, moduleId: string): string | undefined {
  if (identity.deviceId !== deviceId) return `it is of the device ${identity.deviceId}, this one is ${deviceId}`;
  if (identity.moduleId !== moduleId) return `it is of the module ${identity.moduleId}`;
  if (!identity.generationId) return 'it has no generation id';
  if (!isKey(identity.primaryKey)) return 'its primary key is not Base64 of 16 to 64 bytes';
  if (identity.secondaryKey !== undefined && !isKey(identity.secondaryKey)) return 'its secondary key is not Base64 of 16 to 64 bytes';
  return undefined;
}

function isKey(text: string): boolean {
  const { length } = Buffer.from(text ?? '', 'base64');
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text ?? '') && length >= 16 && length <= 64;
}
