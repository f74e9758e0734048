import type { X509Certificate } from 'node:crypto';
import { GatewayError, NotConnectedError } from '../../model/error.ts';

/** What an error text needs to know of the place and of the kind of hub. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** Whether the settings name a root of their own. */
  readonly ca: boolean;
  /** What we show of ourselves, if anything. */
  readonly certificate: X509Certificate | undefined;
  readonly words: {
    /** What usually listens where: `IoT Hub listens on 8883`. */
    readonly usualPort: string;
    /** The ports with and without TLS: `8883 is MQTT over TLS, 1883 is plain`. */
    readonly ports: string;
    /** What to do where the certificate is signed by a stranger and the settings name no root. */
    readonly noCa: string;
    /** What to look for when the settings name a root, and it is not the right one. */
    readonly wrongCa: string;
  };
}

/** `host:port`, for texts. */
export const addressOf = ({ host, port }: Pick<Place, 'host' | 'port'>): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** Before this nobody can have installed us: a clock that says so has no battery and no time server. */
const firstReleaseMs = Date.UTC(2026, 0, 1);

/** The sentence about the clock that belongs into every message about tokens and certificates. */
export function clockHint(nowMs: number): string {
  const written = new Date(nowMs).toISOString().slice(0, 19);
  return nowMs < firstReleaseMs
    ? `The clock of this gateway says ${written}Z, which is wrong: set it (time server) first.`
    : `The clock of this gateway says ${written}Z; it must be right within minutes.`;
}

/** Codes of Node and OpenSSL that mean "their certificate does not lead to a root that we trust". */
const untrusted = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
  'INVALID_CA',
]);

/**
 * What failed on the way: name, route, port, TLS. `error` is what the socket gave. NotConnectedError `hub-unreachable` where waiting
 * may help, GatewayError `after-fix` (`hub-tls…`) where a person or a clock must change first.
 */
export function unreachable(error: unknown, place: Place, nowMs: number): GatewayError {
  const at = addressOf(place);
  const { words } = place;
  const { code, message } = described(error);
  const gone = (text: string, hint?: string): GatewayError =>
    new NotConnectedError('hub-unreachable', text, { retry: 'with-backoff', cause: error, ...(hint ? { hint } : {}) });
  if (untrusted.has(code)) {
    const hint = place.ca ? words.wrongCa : words.noCa;
    return fix('hub-tls-untrusted', `The certificate of ${at} is not signed by anyone we trust (${code}).`, hint, error);
  }
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const names = (error as { cert?: { subjectaltname?: string } }).cert?.subjectaltname ?? 'no name at all';
      return fix(
        'hub-tls-name',
        `The certificate of ${at} is for ${names}, not for ${place.host}.`,
        'Write one of these names as the host, or give the hub a certificate with this name.',
        error,
      );
    }
    case 'CERT_HAS_EXPIRED':
      return fix('hub-tls-expired', `The certificate of ${at} has expired, or our clock is ahead.`, clockHint(nowMs), error);
    case 'CERT_NOT_YET_VALID':
      return fix('hub-tls-not-yet-valid', `The certificate of ${at} is not valid yet, or our clock is behind.`, clockHint(nowMs), error);
    case 'ENOTFOUND':
      return gone(`No address is known for ${at} (ENOTFOUND).`, 'Check the spelling of the host and the name server of this machine.');
    case 'EAI_AGAIN':
      return gone(`The name server did not answer when asked for ${at} (EAI_AGAIN).`, 'Check the network of this machine.');
    case 'ECONNREFUSED':
      return gone(`Nothing listens on ${at} (ECONNREFUSED).`, `Is the hub running? Is the port right? ${words.usualPort}.`);
    case 'ETIMEDOUT':
      return gone(
        `${at} did not answer in time.`,
        `A firewall that swallows packets looks like this; port ${place.port} must be open outwards.`,
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return gone(`There is no route to ${at} (${code}).`, 'Check cable, gateway and address of this machine.');
    case 'ECONNRESET':
    case 'EPIPE':
      return gone(
        `${at} cut the connection before it was up (${code}).`,
        'A firewall, or a port that does not speak TLS, looks like this.',
      );
  }
  if (/ALERT/.test(code)) {
    const hint = place.certificate
      ? `It does not like our certificate, which ends ${place.certificate.validTo}. ${clockHint(nowMs)}`
      : clockHint(nowMs);
    return fix('hub-tls-refused', `${at} refused our TLS handshake (${code}).`, hint, error);
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return fix('hub-tls', `${at} does not speak TLS as we do (${code}).`, `Check the port: ${words.ports}.`, error);
  }
  return gone(`The connection to ${at} failed: ${message}${code ? ` (${code})` : ''}.`);
}

/** Several addresses were tried: the first error speaks for all. */
function described(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return described(error.errors[0]);
  if (!(error instanceof Error)) return { code: '', message: String(error) };
  const { code } = error as { code?: unknown };
  return { code: typeof code === 'string' ? code : '', message: error.message };
}

function fix(code: string, message: string, hint: string, cause?: unknown): GatewayError {
  return new GatewayError(code, message, { retry: 'after-fix', hint, cause });
}
