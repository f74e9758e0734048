import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { type Endpoint, endpointName } from './endpoint.ts';

const retry = 'with-backoff';

const byErrno: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ECONNREFUSED: ['refused the connection', 'Is the broker running, and is this its port? 1883 is plain, 8883 is TLS'],
  ENOTFOUND: ['is not a known host name', 'Check the name, or write the IP address'],
  EAI_AGAIN: ['cannot be looked up now', 'The name server does not answer; an IP address needs none'],
  ETIMEDOUT: ['does not answer', 'Is the broker switched on and reachable from here? A firewall may drop the packets'],
  EHOSTUNREACH: ['cannot be reached', 'There is no route to it; check network and gateway address'],
  ENETUNREACH: ['cannot be reached', 'There is no route to it; check network and gateway address'],
  ECONNRESET: ['ended the connection', 'A broker that wants TLS does this to a plain connection, and the reverse'],
};

const certificateCodes: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'the authority of its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the authority of its certificate is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'the authority of its certificate is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'the authority of its certificate is not trusted',
  CERT_HAS_EXPIRED: 'its certificate is over',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate was issued for another name',
};

/** What failed before the broker answered CONNECT: name, route, port, TLS. */
export function unreachable(error: unknown, endpoint: Endpoint): GatewayError {
  if (error instanceof GatewayError) return error;
  const at = endpointName(endpoint);
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const name = typeof code === 'string' ? code : '';
  const trust = certificateCodes[name];
  if (trust !== undefined) {
    const clock = `The clock here says ${new Date().toISOString()}.`;
    const hint = name.startsWith('CERT_') ? clock : "Put the CA of the broker's certificate into ca:, and use the name that stands in it";
    return new GatewayError('mqtt-certificate', `The broker ${at} is not trusted: ${trust}.`, { retry: 'after-fix', hint, cause: error });
  }
  if (name.startsWith('ERR_SSL') || name === 'EPROTO') {
    return new GatewayError('mqtt-tls', `TLS with the broker ${at} failed: ${String(message)}.`, {
      retry: 'after-fix',
      hint: 'Is this its TLS port? It may also want a client certificate (certificate: and key:)',
      cause: error,
    });
  }
  if (name === '' && /packet|header flag|protocol|remaining length/i.test(String(message))) {
    const hint = 'Is this its MQTT port? 1883 is plain, 8883 is TLS';
    return new NotConnectedError('mqtt-unreachable', `What listens at ${at} does not speak MQTT (${message}).`, {
      retry,
      hint,
      cause: error,
    });
  }
  const [what, hint] = byErrno[name] ?? [`cannot be reached (${name || String(message ?? error)})`, 'Check host and port of the broker'];
  return new NotConnectedError('mqtt-unreachable', `The broker ${at} ${what}.`, { retry, hint, cause: error });
}

/** A CONNACK that is not success: MQTT 5 §3.2.2.2, 3.1.1 §3.2.2.3. */
export function refused(code: number, endpoint: Endpoint, clientId: string, hasUser: boolean): GatewayError {
  const at = endpointName(endpoint);
  const hex = code < 0x80 ? String(code) : `0x${code.toString(16).toUpperCase()}`;
  const says = (meaning: string): string => `The broker ${at} refused the connection: ${meaning} (${hex}).`;
  const fix = (rule: string, meaning: string, hint: string): GatewayError =>
    new GatewayError(rule, says(meaning), { retry: 'after-fix', hint });
  switch (code) {
    case 1:
    case 0x84:
      return fix('mqtt-version', 'it does not speak this version of MQTT', 'Leave version out, or write the one that it speaks');
    case 2:
    case 0x85:
      return fix('mqtt-client-id', `it does not take the client id "${clientId}"`, 'Write clientId: with at most 23 letters and digits');
    case 4:
    case 0x86:
      return fix(
        'mqtt-login',
        'user name or password are wrong',
        hasUser ? 'Check user and the content of password' : 'It wants user: and password:',
      );
    case 5:
    case 0x87:
      return fix(
        'mqtt-login',
        'not authorized',
        hasUser ? 'Check user and password, and what this user may do' : 'It wants user: and password:',
      );
    case 0x8a:
      return fix('mqtt-login', 'this client is banned', 'The operator of the broker must let it in again');
    case 0x8c:
      return fix('mqtt-login', 'it wants another way to log in', 'Only user and password, or a client certificate, are supported');
    case 0x9d:
      return fix('mqtt-moved', 'it has moved to another address', 'Write the new address');
    default:
      return new NotConnectedError('mqtt-refused', says(code === 3 || code === 0x88 ? 'it is not available now' : 'it gives no more'), {
        retry,
      });
  }
}

export function noAnswer(endpoint: Endpoint, timeoutMs: number): NotConnectedError {
  return new NotConnectedError(
    'mqtt-no-answer',
    `${endpointName(endpoint)} accepted the connection but did not answer CONNECT within ${timeoutMs / 1000} s.`,
    {
      retry,
      hint: 'Is this an MQTT port? The broker may also hang',
    },
  );
}

export function closedUnanswered(endpoint: Endpoint): NotConnectedError {
  return new NotConnectedError(
    'mqtt-closed-unanswered',
    `The broker ${endpointName(endpoint)} closed the connection without an answer to CONNECT.`,
    {
      retry,
      hint: 'It may want TLS or a client certificate, or another version of MQTT (version: 3.1.1)',
    },
  );
}

export interface Loss {
  readonly endpoint: Endpoint;
  readonly clientId: string;
  readonly keepAliveMs: number;
  /** What the socket or library said, if anything. */
  readonly error: unknown;
  /** Reason code of a DISCONNECT of the broker (MQTT 5 §3.14.2.1). */
  readonly disconnect: { readonly code: number; readonly text: string | undefined } | undefined;
  /** Connections that this client id lost soon after they were accepted, one after the other, with this one. */
  readonly kicks: number;
}

/** The end of a link that had been accepted. */
export function lossOf({ endpoint, clientId, keepAliveMs, error, disconnect, kicks }: Loss): NotConnectedError {
  if (error instanceof NotConnectedError) return error;
  const at = endpointName(endpoint);
  const twin = `Another client uses the client id "${clientId}": a second gateway with the same state folder or mapping, or a tool. Each needs its own clientId`;
  if (disconnect?.code === 0x8e) {
    return new NotConnectedError('mqtt-taken-over', `The broker ${at} gave the session "${clientId}" to another client.`, {
      retry,
      hint: twin,
    });
  }
  if (disconnect) {
    const reason = disconnect.text ?? disconnectReasons[disconnect.code] ?? `reason 0x${disconnect.code.toString(16).toUpperCase()}`;
    return new NotConnectedError('mqtt-disconnected', `The broker ${at} ended the connection: ${reason}.`, { retry });
  }
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (message === 'Keepalive timeout') {
    return new NotConnectedError('mqtt-silent', `The broker ${at} answered no ping for ${keepAliveMs / 2000} s; the link is dead.`, {
      retry,
    });
  }
  if (error === undefined || code === 'ECONNRESET') {
    return new NotConnectedError('mqtt-closed', `The broker ${at} closed the connection.`, {
      retry,
      hint: kicks >= 3 ? twin : 'The broker was stopped, or it logs why it did this',
    });
  }
  const what = typeof code === 'string' ? code : String(message ?? error);
  return new NotConnectedError('mqtt-link-lost', `The link to the broker ${at} was lost (${what}).`, { retry, cause: error });
}

const disconnectReasons: Readonly<Record<number, string>> = {
  0: 'no reason given',
  129: 'malformed packet',
  130: 'protocol error',
  131: 'a reason of its own',
  135: 'not authorized',
  137: 'server busy',
  139: 'it is shutting down',
  141: 'it heard nothing for longer than the keep-alive',
  147: 'receive maximum exceeded',
  149: 'packet too large',
  150: 'message rate too high',
  151: 'quota exceeded',
  152: 'its operator ended it',
  156: 'another server is to be used',
  157: 'it has moved',
};

export function over(endpoint: Endpoint): NotConnectedError {
  return new NotConnectedError('mqtt-link-over', `The link to the broker ${endpointName(endpoint)} was ended here.`, { retry });
}
