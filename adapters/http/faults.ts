import { NotConnectedError, type RetryAdvice } from '../../model/error.ts';
import type { SampleState } from '../../model/sample.ts';
import { type StatusName, statuses } from '../../model/status.ts';

/** Why a page gave nothing usable. One such object serves all of its points. */
export class PageFault extends Error {
  readonly state: SampleState;
  readonly retry: RetryAdvice;
  /** How long the machine asks to be left alone. */
  readonly retryAfterMs: number;

  constructor(
    status: StatusName,
    reason: string,
    { retry = 'with-backoff', retryAfterMs = 0 }: { retry?: RetryAdvice; retryAfterMs?: number } = {},
  ) {
    super(reason);
    this.state = { status: statuses[status], reason };
    this.retry = retry;
    this.retryAfterMs = retryAfterMs;
  }
}

interface Meaning {
  readonly status: StatusName;
  readonly todo: string;
  /** Nothing changes by itself. */
  readonly fix?: true;
}

const meanings: Readonly<Record<number, Meaning>> = {
  204: { status: 'BadNoData', todo: 'the machine has no value now' },
  205: { status: 'BadNoData', todo: 'the machine has no value now' },
  304: { status: 'BadInternalError', todo: 'nothing was asked that could be unmodified; the server is at fault' },
  400: { status: 'BadConfigurationError', todo: 'check path and query', fix: true },
  401: { status: 'BadUserAccessDenied', todo: 'check user and password, or token', fix: true },
  403: { status: 'BadUserAccessDenied', todo: 'the user may not read this page', fix: true },
  404: { status: 'BadNotFound', todo: 'check path', fix: true },
  405: { status: 'BadNotSupported', todo: 'the page cannot be read with GET', fix: true },
  406: { status: 'BadNotSupported', todo: 'set the header Accept that the page wants', fix: true },
  407: { status: 'BadUserAccessDenied', todo: 'a proxy wants credentials', fix: true },
  408: { status: 'BadTimeout', todo: 'the machine was too slow for its own server' },
  410: { status: 'BadNotFound', todo: 'the page was removed; check path', fix: true },
  429: { status: 'BadOutOfService', todo: 'polled too often; raise every' },
  500: { status: 'BadDeviceFailure', todo: 'see the log of the machine' },
  501: { status: 'BadNotSupported', todo: 'the machine does not offer this page', fix: true },
  502: { status: 'BadNoCommunication', todo: 'the server does not reach the machine behind it' },
  503: { status: 'BadOutOfService', todo: 'the machine is starting, overloaded or in maintenance' },
  504: { status: 'BadTimeout', todo: 'the machine behind the server does not answer it' },
};

/** The fault of an answer whose status is not 200. */
export function statusFault(url: string, code: number, text: string, retryAfterMs: number): PageFault {
  const { status, todo, fix } =
    meanings[code] ??
    ((code >= 500
      ? { status: 'BadDeviceFailure', todo: 'see the log of the machine' }
      : code >= 300 && code < 400
        ? { status: 'BadConfigurationError', todo: 'the redirect is not one that is followed', fix: true }
        : { status: 'BadConfigurationError', todo: 'check path and headers', fix: true }) satisfies Meaning as Meaning);
  const wait = retryAfterMs > 0 ? `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s` : '';
  return new PageFault(status, `GET ${url}: ${code}${text === '' ? '' : ` ${text}`}; ${todo}${wait}`, {
    retry: fix ? 'after-fix' : 'with-backoff',
    retryAfterMs,
  });
}

const tlsHints: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: ['its certificate is self-signed', 'Save the certificate as PEM and name it: ca: { file: … }'],
  SELF_SIGNED_CERT_IN_CHAIN: ['its certificate comes from an unknown authority', 'Name the authority: ca: { file: … }'],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['its certificate comes from an unknown authority', 'Name the authority: ca: { file: … }'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ['its certificate comes from an unknown authority', 'Name the authority: ca: { file: … }'],
  UNABLE_TO_GET_ISSUER_CERT: [
    'its chain of certificates is incomplete',
    'Let the server send the whole chain, or name all authorities: ca: { file: … }',
  ],
  CERT_HAS_EXPIRED: ['its certificate has expired', 'Renew the certificate of the machine; check the clock of this gateway'],
  CERT_NOT_YET_VALID: ['its certificate is not valid yet', 'Check the clocks of this gateway and of the machine'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['its certificate is for another name', 'Write the name that the certificate carries into url'],
  CERT_SIGNATURE_FAILURE: ['its certificate is forged or broken', 'Compare its fingerprint at the machine'],
  CERT_REVOKED: ['its certificate was revoked', 'Renew the certificate of the machine'],
};

const linkHints: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'Check host and port, and whether the server of the machine runs'],
  EHOSTUNREACH: ['there is no way to the host', 'Check cable, address and routes'],
  ENETUNREACH: ['there is no way to the network', 'Check cable, address and routes'],
  ENOTFOUND: ['the host name is unknown', 'Check the name, or write the IP address'],
  EAI_AGAIN: ['the name server does not answer', 'Check the name server, or write the IP address'],
  ECONNRESET: ['the connection was closed at once', 'A firewall may refuse this gateway, or the server wants https'],
  ETIMEDOUT: ['there is no answer', 'Check that the machine is on and that no firewall drops the connection'],
  EPROTO: ['it does not speak TLS', 'Write http:// if the port is one without TLS'],
};

/** The way to the machine cannot be opened: every page of it is concerned. */
export function linkError(where: string, error: unknown): NotConnectedError {
  const code = (error as { code?: string }).code ?? '';
  const tls = tlsHints[code];
  if (tls)
    return new NotConnectedError('http-tls', `${where} is not trusted: ${tls[0]} (${code})`, {
      retry: 'after-fix',
      hint: tls[1],
      cause: error,
    });
  const known = linkHints[code] ?? (/^ERR_(SSL|TLS)/.test(code) ? linkHints.EPROTO : undefined);
  const what = known?.[0] ?? (error instanceof Error ? error.message : String(error));
  return new NotConnectedError('http-not-connected', `no connection to ${where}: ${what}${code === '' ? '' : ` (${code})`}`, {
    retry: 'with-backoff',
    hint: known?.[1] ?? 'Check host and port, and whether the machine is on',
    cause: error,
  });
}

const longestWaitMs = 3_600_000;

/** `Retry-After` (RFC 9110 §10.2.3): seconds or a date; at most an hour, 0 when absent or past. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0;
  const wait = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(wait) ? 0 : Math.min(Math.max(wait, 0), longestWaitMs);
}
