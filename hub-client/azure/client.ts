import type { HubContext, HubSession } from '../contract.ts';
import { addressOf } from '../delivery/unreachable.ts';
import { placeOf, refusal } from './connect-error.ts';
import { type Identity, identify, tlsOf } from './credentials.ts';
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
  let token = tokenFor(identity, settings.tokenLifetime);
  const link = await open(identity, token, settings, signal);
  return new AzureSession(link, {
    deviceId: identity.deviceId,
    at: addressOf(identity),
    window: settings.window,
    maxBodyBytes: settings.maxMessage,
    compression: settings.compression,
    ackTimeoutMs: settings.ackTimeout,
    answerTimeoutMs: settings.answerTimeout,
    log: context.log,
    renewAfterMs: identity.proof.kind === 'sas' ? () => (token?.renewAtMs ?? 0) - performance.now() : undefined,
    // Secrets are read again: a key that was rotated on disk comes into use without a restart.
    reopen: async (stop) => {
      const fresh = await identify(settings, context);
      token = tokenFor(fresh, settings.tokenLifetime);
      return open(fresh, token, settings, stop);
    },
    onRenewed: () => context.log.debug({ device: identity.deviceId }, 'hub token renewed'),
  });
}

function open(identity: Identity, token: Token | undefined, settings: AzureSettings, signal: AbortSignal): Promise<Link> {
  return openLink(
    {
      place: placeOf(identity),
      tls: tlsOf(identity),
      clientId: identity.deviceId,
      username: usernameOf(identity),
      password: token?.text,
      clean: false,
      refused: (returnCode) => refusal(returnCode, identity, Date.now()),
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

interface Token {
  readonly text: string;
  /** By the monotonic clock: a step of the wall clock must not let a token run out unseen. */
  readonly renewAtMs: number;
}

function tokenFor({ hub, deviceId, proof }: Identity, lifetimeMs: number): Token | undefined {
  if (proof.kind === 'x509') return undefined;
  const nowMs = Date.now();
  const expiresAtS = expiryOf(nowMs, lifetimeMs);
  return {
    text: sasToken({ resource: deviceResource(hub, deviceId), key: proof.key, expiresAtS }),
    renewAtMs: performance.now() + renewAfterMs(expiresAtS * 1000 - nowMs, Math.random()),
  };
}

function warnOfExpiry({ proof, deviceId }: Identity, { log }: HubContext): void {
  if (proof.kind === 'x509' && proof.parsed.validToDate.getTime() - Date.now() < soonMs)
    log.warn({ device: deviceId, until: proof.parsed.validTo }, 'the certificate for the hub ends soon');
}
