import type { HubContext, HubSession } from '../contract.ts';
import { addressOf } from './connect-error.ts';
import { type Identity, identify } from './credentials.ts';
import type { AzureSettings } from './definition.ts';
import { type Link, openLink } from './link.ts';
import { percentEncode } from './percent.ts';
import { deviceResource, expiryOf, renewAfterMs, sasToken } from './sas.ts';
import { AzureSession } from './session.ts';

const apiVersion = '2021-04-12';
const clientType = `dragoman (node ${process.versions.node}; ${process.platform} ${process.arch})`;
/** A certificate that ends sooner than this is worth a line in the log. */
const soonMs = 30 * 86_400_000;

/** Connects as one device. See the contract for what it rejects with. */
export async function connect(settings: AzureSettings, context: HubContext, signal: AbortSignal): Promise<HubSession> {
  const identity = await identify(settings, context);
  warnOfExpiry(identity, context);
  // By the monotonic clock: a step of the wall clock must not let a token run out unseen.
  let issuedMs = performance.now();
  const link = await open(identity, settings, signal);
  return new AzureSession(link, {
    deviceId: identity.deviceId,
    at: addressOf(identity),
    window: settings.window,
    maxBodyBytes: settings.maxMessage,
    compression: settings.compression,
    ackTimeoutMs: settings.ackTimeout,
    renewAfterMs:
      identity.proof.kind === 'sas' ? () => issuedMs + renewAfterMs(settings.tokenLifetime, Math.random()) - performance.now() : undefined,
    // Secrets are read again: a key that was rotated on disk comes into use without a restart.
    reopen: async (stop) => {
      const fresh = await identify(settings, context);
      issuedMs = performance.now();
      return open(fresh, settings, stop);
    },
    onRenewed: () => context.log.debug({ device: identity.deviceId }, 'hub token renewed'),
    onStray: (topic) => context.log.warn({ topic }, 'the hub sent a message that nobody here asked for; it is lost'),
  });
}

function open(identity: Identity, settings: AzureSettings, signal: AbortSignal): Promise<Link> {
  return openLink(
    {
      identity,
      username: usernameOf(identity),
      password: passwordOf(identity, settings.tokenLifetime),
      keepAliveMs: settings.keepAlive,
      timeoutMs: settings.connectTimeout,
    },
    signal,
  );
}

/** `{hub}/{device}/?api-version=…&DeviceClientType=…`: always the hub's name, also through a gateway host; the device id raw. */
export function usernameOf({ hub, deviceId }: Pick<Identity, 'hub' | 'deviceId'>): string {
  return `${hub}/${deviceId}/?api-version=${apiVersion}&DeviceClientType=${percentEncode(clientType)}`;
}

function passwordOf({ hub, deviceId, proof }: Identity, lifetimeMs: number): string | undefined {
  if (proof.kind === 'x509') return undefined;
  return sasToken({ resource: deviceResource(hub, deviceId), key: proof.key, expiresAtS: expiryOf(Date.now(), lifetimeMs) });
}

function warnOfExpiry({ proof, deviceId }: Identity, { log }: HubContext): void {
  if (proof.kind === 'x509' && proof.parsed.validToDate.getTime() - Date.now() < soonMs)
    log.warn({ device: deviceId, until: proof.parsed.validTo }, 'the certificate for the hub ends soon');
}
