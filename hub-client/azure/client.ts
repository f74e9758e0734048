import { NotConnectedError } from '../../model/error.ts';
import type { HubContext, HubSession } from '../contract.ts';
import { addressOf } from '../delivery/unreachable.ts';
import { clientType } from './client-type.ts';
import { placeOf, refusal } from './connect-error.ts';
import { type Identity, identify, tlsOf } from './credentials.ts';
import type { AzureSettings } from './definition.ts';
import { assignedIdentity, openAssigned } from './dps/assigned.ts';
import { idOf } from './identity-name.ts';
import { type Link, openLink } from './link.ts';
import { percentEncode } from './percent.ts';
import { expiryOf, identityResource, renewAfterMs, sasToken } from './sas.ts';
import { AzureSession } from './session.ts';

const apiVersion = '2021-04-12';
/** A certificate that ends sooner than this is worth a line in the log. */
const soonMs = 30 * 86_400_000;
/** How long a hub has to close its side. */
const closeMs = 500;

/** What a session needs of the settings beside who it is. */
export type SessionSettings = Pick<
  AzureSettings,
  'window' | 'maxMessage' | 'compression' | 'ackTimeout' | 'answerTimeout' | 'tokenLifetime' | 'keepAlive' | 'connectTimeout'
>;

/** Connects as one device. See the contract for what it rejects with. */
export async function connect(settings: AzureSettings, context: HubContext, signal: AbortSignal): Promise<HubSession> {
  const reopen = (stop: AbortSignal): Promise<Opened> => openAs(settings, context, stop);
  const opened = await reopen(signal);
  warnOfExpiry(opened.identity, context);
  return sessionOver(opened, reopen, settings, context.log);
}

/** Who the device is and how it proves it, as the next `connect` would have it: for its requests over REST, and for its modules. Rejects as `connect` does. */
export function deviceIdentity(settings: AzureSettings, context: HubContext, signal: AbortSignal): Promise<Identity> {
  return settings.dps ? assignedIdentity(settings.dps, settings, context, signal) : identify(settings, context);
}

/** Connects as an identity whose secrets are open already, such as a module of this device. Rejects as `connect` does. */
export async function connectAs(
  identity: Identity,
  settings: SessionSettings,
  log: HubContext['log'],
  signal: AbortSignal,
): Promise<AzureSession> {
  const reopen = (stop: AbortSignal): Promise<Opened> => open(identity, settings, stop);
  return sessionOver(await reopen(signal), reopen, settings, log);
}

function sessionOver(
  first: Opened,
  reopen: (stop: AbortSignal) => Promise<Opened>,
  settings: SessionSettings,
  log: HubContext['log'],
): AzureSession {
  const { identity } = first;
  let opened = first;
  return new AzureSession(first.link, {
    name: identity,
    at: addressOf(identity),
    window: settings.window,
    maxBodyBytes: settings.maxMessage,
    compression: settings.compression,
    ackTimeoutMs: settings.ackTimeout,
    answerTimeoutMs: settings.answerTimeout,
    log,
    renewAfterMs: identity.proof.kind === 'sas' ? () => (opened.token?.renewAtMs ?? 0) - performance.now() : undefined,
    // Secrets are read again: a key that was rotated on disk comes into use without a restart.
    reopen: async (stop) => {
      const fresh = await reopen(stop);
      if (idOf(fresh.identity) !== idOf(identity) || addressOf(fresh.identity) !== addressOf(identity)) {
        await fresh.link.end(closeMs);
        throw moved(identity, fresh.identity);
      }
      opened = fresh;
      return fresh.link;
    },
    onRenewed: () => log.debug({ device: idOf(identity) }, 'hub token renewed'),
  });
}

interface Opened {
  readonly identity: Identity;
  readonly token: Token | undefined;
  readonly link: Link;
}

async function openAs(settings: AzureSettings, context: HubContext, signal: AbortSignal): Promise<Opened> {
  if (!settings.dps) return open(await identify(settings, context), settings, signal);
  return openAssigned(settings.dps, settings, context, (identity) => open(identity, settings, signal), signal);
}

/** A session sends as one device to one hub; the next one may go elsewhere. */
function moved(before: Identity, after: Identity): NotConnectedError {
  const text = `The device "${before.deviceId}" of ${addressOf(before)} is now "${after.deviceId}" of ${addressOf(after)}.`;
  return new NotConnectedError('hub-moved', text, { retry: 'with-backoff' });
}

async function open(identity: Identity, settings: SessionSettings, signal: AbortSignal): Promise<Opened> {
  const token = tokenFor(identity, settings.tokenLifetime);
  const link = await openLink(
    {
      place: placeOf(identity),
      tls: tlsOf(identity),
      clientId: idOf(identity),
      username: usernameOf(identity),
      password: token?.text,
      clean: false,
      refused: (returnCode) => refusal(returnCode, identity, Date.now()),
      keepAliveMs: settings.keepAlive,
      timeoutMs: settings.connectTimeout,
    },
    signal,
  );
  return { identity, token, link };
}

/** `{hub}/{device}[/{module}]/?api-version=…&DeviceClientType=…`: always the hub's name, also through a gateway host; the ids raw. */
export function usernameOf(identity: Pick<Identity, 'hub' | 'deviceId' | 'moduleId'>): string {
  return `${identity.hub}/${idOf(identity)}/?api-version=${apiVersion}&DeviceClientType=${percentEncode(clientType)}`;
}

interface Token {
  readonly text: string;
  /** By the monotonic clock: a step of the wall clock must not let a token run out unseen. */
  readonly renewAtMs: number;
}

function tokenFor(identity: Identity, lifetimeMs: number): Token | undefined {
  const { hub, proof } = identity;
  if (proof.kind === 'x509') return undefined;
  const nowMs = Date.now();
  const expiresAtS = expiryOf(nowMs, lifetimeMs);
  return {
    text: sasToken({ resource: identityResource(hub, identity), key: proof.key, expiresAtS }),
    renewAtMs: performance.now() + renewAfterMs(expiresAtS * 1000 - nowMs, Math.random()),
  };
}

function warnOfExpiry({ proof, deviceId }: Identity, { log }: HubContext): void {
  if (proof.kind === 'x509' && proof.parsed.validToDate.getTime() - Date.now() < soonMs)
    log.warn({ device: deviceId, until: proof.parsed.validTo }, 'the certificate for the hub ends soon');
}
