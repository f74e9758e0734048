import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { addressOf, type Place, unreachable } from '../delivery/unreachable.ts';
import type { Endpoint } from './endpoint.ts';
import { refusal } from './reason.ts';

/** What an error text needs to know of a connect. */
export interface Attempt {
  readonly endpoint: Endpoint;
  readonly place: Place;
  readonly clientId: string;
  readonly timeoutMs: number;
}

/** A link that ended before it was accepted; `reason` is what the socket or the library gave. */
export function noConnack(reason: unknown, { endpoint, place, clientId, timeoutMs }: Attempt): GatewayError {
  const at = addressOf(place);
  if (reason instanceof GatewayError) return reason;
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === 'number') return refusal({ reasonCode: code }, at, clientId, endpoint.tls);
  if (message === 'connack timeout') {
    return new NotConnectedError('hub-unreachable', `${at} did not answer CONNECT within ${timeoutMs / 1000} s.`, {
      retry: 'with-backoff',
      hint: 'Is this an MQTT port? The broker may also be overloaded.',
    });
  }
  if (typeof message === 'string' && /Unexpected server response/.test(message)) {
    return new GatewayError('hub-web-socket', `${at} is a web server, but takes no web socket at ${endpoint.path} (${message}).`, {
      retry: 'after-fix',
      hint: 'Check the path in url; many brokers have /mqtt, RabbitMQ has /ws.',
      cause: reason,
    });
  }
  const cut = code === 'ECONNRESET' || code === 'EPIPE';
  if (typeof code === 'string' && !cut) return unreachable(reason, place, Date.now());
  return new NotConnectedError('hub-hung-up', `${at} closed the connection without an answer to CONNECT.`, {
    retry: 'with-backoff',
    hint: `${endpoint.tls ? '' : `A port for TLS looks like this: then write ${endpoint.protocol}s:// in url. `}It may speak another protocol, or refuse this address or client.`,
    cause: reason,
  });
}

/** A link that was accepted, and went. */
export function lossOf(reason: unknown, at: string, keepAliveMs: number): NotConnectedError {
  if (reason instanceof NotConnectedError) return reason;
  const { code, message } = (reason ?? {}) as { code?: unknown; message?: unknown };
  const retry = 'with-backoff';
  if (message === 'Keepalive timeout') {
    return new NotConnectedError('hub-silent', `${at} answered no ping for ${(keepAliveMs * 1.5) / 1000} s; the link is dead.`, { retry });
  }
  if (reason === undefined) {
    return new NotConnectedError('hub-closed', `The broker ${at} closed the connection.`, {
      retry,
    });
  }
  const what = typeof code === 'string' ? code : String(message ?? reason);
  return new NotConnectedError('hub-link-lost', `The link to ${at} was lost (${what}).`, { retry, cause: reason });
}

export const over = (at: string): NotConnectedError =>
  new NotConnectedError('hub-session-over', `The session with ${at} was ended here.`, { retry: 'with-backoff' });
