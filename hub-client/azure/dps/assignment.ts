import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { HubContext } from '../../contract.ts';
import { addressOf } from '../../delivery/unreachable.ts';
import type { Assignment } from './register.ts';
import type { Registration } from './registration.ts';

/** The file below the state folder. It holds no secret. */
const fileName = 'assignment.json';

const Stored = z.object({
  /** Whose it is: another registration, or another service, asks anew. */
  endpoint: z.string(),
  idScope: z.string(),
  registrationId: z.string(),
  hub: z.string(),
  deviceId: z.string(),
  assigned: z.string(),
});

/** What this registration was assigned to, as last kept; undefined when that is not known (any more). */
export async function keptAssignment(registration: Registration, { stateFolder, log }: HubContext): Promise<Assignment | undefined> {
  const path = join(stateFolder, fileName);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const stored = Stored.safeParse(parsed(text)).data;
  if (!stored) {
    log.warn({ path }, 'the kept assignment cannot be read; Device Provisioning is asked again');
    return undefined;
  }
  const { endpoint, idScope, registrationId, hub, deviceId } = stored;
  const isOurs = endpoint === addressOf(registration) && idScope === registration.idScope && registrationId === registration.registrationId;
  return isOurs ? { hub, deviceId } : undefined;
}

/** Whole or not at all: a box may lose its power at any time. */
export async function keepAssignment(
  registration: Registration,
  { hub, deviceId }: Assignment,
  { stateFolder }: HubContext,
): Promise<void> {
  const { idScope, registrationId } = registration;
  const stored: z.infer<typeof Stored> = {
    endpoint: addressOf(registration),
    idScope,
    registrationId,
    hub,
    deviceId,
    assigned: new Date().toISOString(),
  };
  await mkdir(stateFolder, { recursive: true });
  const path = join(stateFolder, fileName);
  await writeFile(`${path}.new`, `${JSON.stringify(stored, undefined, 2)}\n`, { flush: true });
  await rename(`${path}.new`, path);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
