import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import type { HubContext } from '../../contract.ts';
import { readRoot } from '../../delivery/pem.ts';
import { parseHost } from '../connection-string.ts';
import type { Identity } from '../credentials.ts';
import type { AzureSettings } from '../definition.ts';
import { keepAssignment, keptAssignment } from './assignment.ts';
import { Refusals, speaksAgainstAssignment } from './refusals.ts';
import { type Assignment, register } from './register.ts';
import { openRegistration, type Registration } from './registration.ts';
import type { DpsSettings } from './settings.ts';

const refusals = new Refusals();

/**
 * Connects to the hub that this registration is assigned to: the one that is kept, else Device Provisioning is asked. When that hub refuses
 * the device, or is gone, Device Provisioning is asked again now and then, and its new assignment tried at once.
 */
export async function openAssigned<Opened>(
  dps: DpsSettings,
  settings: AzureSettings,
  context: HubContext,
  open: (identity: Identity) => Promise<Opened>,
  signal: AbortSignal,
): Promise<Opened> {
  const registration = await openRegistration(dps, settings.ca, context);
  const ca = settings.ca === undefined ? registration.ca : await readRoot(settings.ca, context);
  const kept = await keptAssignment(registration, context);
  const assignment = kept ?? (await provision(registration, settings, context, signal));
  try {
    const opened = await open(identityOf(assignment, registration, ca));
    refusals.accepted(context.stateFolder);
    return opened;
  } catch (error) {
    if (!speaksAgainstAssignment(error) || !refusals.refused(context.stateFolder)) throw error;
    const other = await assignedElsewhere(assignment, error as GatewayError, () => provision(registration, settings, context, signal));
    context.log.warn({ hub: other.hub, device: other.deviceId, before: assignment.hub }, 'Device Provisioning assigned another hub');
    const opened = await open(identityOf(other, registration, ca));
    refusals.accepted(context.stateFolder);
    return opened;
  }
}

/** Asks Device Provisioning, and keeps what it says for the next start. */
export async function provision(
  registration: Registration,
  settings: Pick<AzureSettings, 'connectTimeout' | 'keepAlive'>,
  context: HubContext,
  signal: AbortSignal,
): Promise<Assignment> {
  const { connectTimeout: timeoutMs, keepAlive: keepAliveMs } = settings;
  const assignment = await register(registration, { timeoutMs, keepAliveMs, log: context.log }, signal);
  await keepAssignment(registration, assignment, context);
  return assignment;
}

/** Throws when there is no other: what the hub said, or what Device Provisioning says, whichever a person can act on. */
async function assignedElsewhere(before: Assignment, refusal: GatewayError, ask: () => Promise<Assignment>): Promise<Assignment> {
  const after = await ask().catch((error: unknown) => {
    throw error instanceof NotConnectedError ? refusal : error;
  });
  if (after.hub !== before.hub || after.deviceId !== before.deviceId) return after;
  const { code, message, retry, hint, cause } = refusal;
  const text = `${message} Device Provisioning was asked again and names the same hub and device.`;
  const Kind = refusal instanceof NotConnectedError ? NotConnectedError : GatewayError;
  throw new Kind(code, text, { retry, cause, ...(hint !== undefined && { hint }) });
}

function identityOf({ hub, deviceId }: Assignment, { proof }: Registration, ca: string | undefined): Identity {
  const { host, port } = parseHost(hub, 'assignedHub');
  return { hub: host, host, port, deviceId, proof, ca };
}
