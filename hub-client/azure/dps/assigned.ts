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
  const { registration, ca, assignment } = await assigned(dps, settings, context, signal);
  const attempt = async (where: Assignment): Promise<Opened> => {
    const opened = await open(identityOf(where, registration, ca));
    refusals.accepted(context.stateFolder);
    return opened;
  };
  try {
    return await attempt(assignment);
  } catch (error) {
    if (!speaksAgainstAssignment(error) || !refusals.refused(context.stateFolder)) throw error;
    const refusal = error as GatewayError;
    const now = await provision(registration, settings, context, signal).catch((other: unknown) => {
      // Without the service nothing is known; what it says, a person can act on.
      throw other instanceof NotConnectedError ? refusal : other;
    });
    const isSame = now.hub === assignment.hub && now.deviceId === assignment.deviceId;
    if (!isSame)
      context.log.warn({ hub: now.hub, device: now.deviceId, before: assignment.hub }, 'Device Provisioning assigned another hub');
    // The same one is worth a try, too: a device that was deleted there has just been made again.
    return await attempt(now).catch((again: unknown) => {
      throw isSame && speaksAgainstAssignment(again) ? confirmed(again as GatewayError) : again;
    });
  }
}

/** The device as it is assigned now, without a look at what the hub thinks of that. */
export async function assignedIdentity(
  dps: DpsSettings,
  settings: AzureSettings,
  context: HubContext,
  signal: AbortSignal,
): Promise<Identity> {
  const { registration, ca, assignment } = await assigned(dps, settings, context, signal);
  return identityOf(assignment, registration, ca);
}

/** The assignment that is kept, else the one that Device Provisioning gives. */
async function assigned(dps: DpsSettings, settings: AzureSettings, context: HubContext, signal: AbortSignal) {
  const registration = await openRegistration(dps, settings.ca, context);
  const ca = settings.ca === undefined ? registration.ca : await readRoot(settings.ca, context);
  const kept = await keptAssignment(registration, context);
  return { registration, ca, assignment: kept ?? (await provision(registration, settings, context, signal)) };
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

/** The refusal, with what Device Provisioning had to say about it. */
function confirmed({ code, message, retry, hint, cause }: GatewayError): GatewayError {
  const text = `${message} Device Provisioning was asked again and names the same hub and device.`;
  const options = { retry, cause, ...(hint !== undefined && { hint }) };
  return code === 'hub-unreachable' ? new NotConnectedError(code, text, options) : new GatewayError(code, text, options);
}

function identityOf({ hub, deviceId }: Assignment, { proof }: Registration, ca: string | undefined): Identity {
  const { host, port } = parseHost(hub, 'assignedHub');
  return { hub: host, host, port, deviceId, proof, ca };
}
