import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connect } from '../../hub-client/azure/client.ts';
import { tlsOf } from '../../hub-client/azure/credentials.ts';
import type { AzureSettings } from '../../hub-client/azure/definition.ts';
import { provision } from '../../hub-client/azure/dps/assigned.ts';
import { placeOfService } from '../../hub-client/azure/dps/failure.ts';
import { openRegistration, type Registration } from '../../hub-client/azure/dps/registration.ts';
import type { HubContext } from '../../hub-client/contract.ts';
import { openSocket } from '../../hub-client/delivery/socket.ts';
import { addressOf, unreachable } from '../../hub-client/delivery/unreachable.ts';
import { GatewayError } from '../../model/error.ts';
import { clockAheadMs, deviation, tolerableMs } from './clock.ts';

export type StepName = 'key' | 'name' | 'port' | 'TLS' | 'clock' | 'provision' | 'hub';

/** One step of the way, done or failed; after a failed one nothing follows. */
export interface Step {
  readonly name: StepName;
  readonly text: string;
  readonly error?: GatewayError;
}

/** Where a server tells the time; the provisioning service answers HTTPS, too. */
const httpsPort = 443;

/** Goes the way to the hub step by step, so that the first thing that is wrong stands alone. */
export async function* testConnection(
  settings: AzureSettings,
  context: HubContext,
  signal: AbortSignal,
  clockPort = httpsPort,
): AsyncGenerator<Step> {
  let name: StepName = 'key';
  try {
    const registration = await openRegistration(settings.dps!, settings.ca, context);
    name = 'name';
    const addresses = await resolveName(registration);
    if (addresses) yield { name, text: `${registration.host} is ${addresses}` };
    name = 'port';
    const place = placeOfService(registration);
    (await openSocket(place, undefined, settings.connectTimeout, signal)).destroy();
    yield { name, text: `${addressOf(place)} is open` };
    name = 'TLS';
    const socket = await openSocket(place, tlsOf(registration), settings.connectTimeout, signal);
    yield { name, text: certificateOf(socket) };
    socket.destroy();
    name = 'clock';
    yield { name, text: await checkClock(registration, clockPort) };
    name = 'provision';
    const { hub, deviceId } = await provision(registration, settings, context, signal);
    yield { name, text: `"${registration.registrationId}" is device "${deviceId}" of ${hub}` };
    name = 'hub';
    await using _session = await connect(settings, context, signal);
    yield { name, text: `${hub} takes the device` };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    // Dates of certificates are read with our clock: it is the usual culprit.
    const isTime = error.code === 'hub-tls-expired' || error.code === 'hub-tls-not-yet-valid';
    yield { name: isTime ? 'clock' : name, text: error.message, error };
  }
}

async function resolveName(registration: Registration): Promise<string | undefined> {
  if (isIP(registration.host) !== 0) return undefined;
  const found = await lookup(registration.host, { all: true }).catch((error: unknown) => {
    throw unreachable(error, placeOfService(registration), Date.now());
  });
  return found.map(({ address }) => address).join(', ');
}

function certificateOf(socket: Socket): string {
  const { subject, issuer, valid_to: until } = (socket as TLSSocket).getPeerCertificate();
  const issuedBy = issuer?.O ?? issuer?.CN ?? 'someone unnamed';
  return `the certificate is for ${String(subject?.CN)}, by ${String(issuedBy)}, until ${until}`;
}

async function checkClock(registration: Registration, port: number): Promise<string> {
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  const aheadMs = await clockAheadMs(registration.host, port, tlsOf(registration));
  if (aheadMs === undefined) return `${now}, within the dates of the certificate`;
  if (Math.abs(aheadMs) <= tolerableMs) return `${now}, as the server says`;
  throw new GatewayError('init-clock', `The clock of this gateway says ${now}, ${deviation(aheadMs)} that of ${registration.host}.`, {
    retry: 'after-fix',
    hint: 'Set it first, best by a time server: the proof of the device carries times and would be refused.',
  });
}
