import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { SampleState } from '../../model/sample.ts';
import { type Status, statuses } from '../../model/status.ts';
import type { AmqpError } from './library.ts';

interface Known {
  readonly code: string;
  readonly says: string;
  readonly hint: string;
  readonly afterFix?: true;
}

const untrusted: Known = {
  code: 'amqp-tls-untrusted',
  says: 'presents a certificate that is not trusted',
  hint: 'Set tls.ca to the certificate of the authority that issued it',
  afterFix: true,
};
const notTls: Known = {
  code: 'amqp-tls',
  says: 'does not speak TLS',
  hint: 'TLS usually has its own port (5671); or set tls: false',
  afterFix: true,
};
const unreachable: Known = {
  code: 'amqp-unreachable',
  says: 'cannot be reached',
  hint: 'Check the cable, the address and the firewall between this gateway and the broker',
};

/** By the code of Node's error. */
const byCode: Readonly<Record<string, Known>> = {
  ECONNREFUSED: {
    code: 'amqp-refused',
    says: 'refuses connections: nothing listens there',
    hint: 'Check that the broker runs, its AMQP 1.0 port (5672, with TLS 5671) and the firewall',
  },
  ENOTFOUND: {
    code: 'amqp-host',
    says: 'is not a known host name',
    hint: 'Check the spelling of host and the name server of this computer',
  },
  EAI_AGAIN: { code: 'amqp-host', says: 'could not be looked up: no name server answers', hint: 'Check the network of this computer' },
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ETIMEDOUT: unreachable,
  ECONNRESET: {
    code: 'amqp-closed',
    says: 'closed the connection without a word',
    hint: 'A broker does that to a client that does not log in or speaks TLS to a plain port, or the other way round; its log says more',
  },
  EPROTO: notTls,
  ERR_SSL_WRONG_VERSION_NUMBER: notTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: notTls,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_HAS_EXPIRED: {
    code: 'amqp-tls-expired',
    says: 'presents a certificate that has expired',
    hint: 'Renew it on the broker; if it is valid, check the clock of this gateway',
    afterFix: true,
  },
  CERT_NOT_YET_VALID: {
    code: 'amqp-tls-expired',
    says: 'presents a certificate that is not valid yet',
    hint: 'Check the clock of this gateway',
    afterFix: true,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    code: 'amqp-tls-name',
    says: 'presents a certificate for another name',
    hint: 'Write host as the certificate has it, or set tls.servername',
    afterFix: true,
  },
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: {
    code: 'amqp-tls-certificate',
    says: 'asks for a certificate of this gateway',
    hint: 'Set tls.certificate and tls.key',
    afterFix: true,
  },
};

/** By words of rhea's own messages. */
const byText: readonly (readonly [RegExp, Known])[] = [
  [
    /Unsupported AMQP version/,
    {
      code: 'amqp-version',
      says: 'speaks another version of AMQP',
      hint: 'RabbitMQ before 4.0 needs its plugin: rabbitmq-plugins enable rabbitmq_amqp1_0',
      afterFix: true,
    },
  ],
  [
    /Expecting SASL layer|SASL layer not enabled/,
    {
      code: 'amqp-login',
      says: 'does not let clients log in',
      hint: 'Leave out user and sasl, or turn on SASL at the broker',
      afterFix: true,
    },
  ],
  [
    /No suitable mechanism/,
    { code: 'amqp-login', says: 'offers no way to log in that was allowed', hint: 'Set sasl to one that it offers', afterFix: true },
  ],
  [
    /Invalid protocol header/,
    { code: 'amqp-no-amqp', says: 'does not speak AMQP', hint: 'Check the port; with tls: false it may be a TLS port', afterFix: true },
  ],
];

/** What a person can act on. `who` names the login: `user "gw"`. */
export function connectFailure(where: string, who: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const { code, message, condition, description } = details(error);
  if (/Failed to authenticate: [234]/.test(message)) {
    return new NotConnectedError('amqp-login-outage', `${where} cannot check logins at the moment`, {
      retry: 'with-backoff',
      hint: 'Its user directory may be away; the gateway tries again by itself',
    });
  }
  if (/Failed to authenticate/.test(message)) {
    return new GatewayError('amqp-login', `${where} refuses ${who}`, {
      retry: 'after-fix',
      hint: 'Check user and password, and that the user may connect; the gateway tries again by itself',
    });
  }
  // An end without any error is what a reset is where the system says so.
  const silent = code === '' && message === '' && condition === undefined;
  const known = byCode[silent ? 'ECONNRESET' : code] ?? byText.find(([text]) => text.test(message))?.[1];
  if (known) {
    const detail = known.code === 'amqp-login' || known.code === 'amqp-version' || known.code === 'amqp-tls-name' ? `: ${message}` : '';
    const options = { hint: known.hint, cause: error };
    return known.afterFix
      ? new GatewayError(known.code, `${where} ${known.says}${detail}`, { retry: 'after-fix', ...options })
      : new NotConnectedError(known.code, `${where} ${known.says}${detail}`, { retry: 'with-backoff', ...options });
  }
  const text = peerText({ condition, description: description ?? message });
  return new NotConnectedError('amqp-failed', `${where} could not be connected${text}`, {
    retry: 'with-backoff',
    hint: 'The log of the broker says more; the gateway tries again by itself',
    cause: error,
  });
}

/** The connection was there and is no more. */
export function connectionLost(where: string, error: unknown): NotConnectedError {
  const { code, message, condition, description } = details(error);
  const why = peerText({ condition, description: description ?? (message || code) });
  return new NotConnectedError('amqp-lost', `the connection to ${where} was lost${why}`, {
    retry: 'with-backoff',
    hint: 'The broker was stopped or restarted, or the network broke; the gateway connects again by itself',
  });
}

export function silentFor(where: string, timeoutText: string, stage: string): NotConnectedError {
  return new NotConnectedError('amqp-timeout', `${where} ${stage} within ${timeoutText}`, {
    retry: 'with-backoff',
    hint: 'Check that this is the AMQP port of the broker and that the broker is not overloaded; timeout: gives it more time',
  });
}

const statusByCondition: Readonly<Record<string, Status>> = {
  'amqp:not-found': statuses.BadNotFound,
  'amqp:invalid-field': statuses.BadConfigurationError,
  'amqp:not-implemented': statuses.BadNotSupported,
  'amqp:not-allowed': statuses.BadUserAccessDenied,
  'amqp:unauthorized-access': statuses.BadUserAccessDenied,
  'amqp:link:message-size-exceeded': statuses.BadOutOfMemory,
};

/** An address that the peer does not serve, or no longer. */
export function refusedState(says: string, error: AmqpError | undefined): SampleState {
  const status = statusByCondition[error?.condition ?? ''] ?? statuses.BadCommunicationError;
  return { status, reason: `${says}${peerText(error)}` };
}

/** `: amqp:not-found, no queue 'x'`. */
function peerText(error: AmqpError | undefined): string {
  const parts = [error?.condition, error?.description?.replaceAll(/\s+/g, ' ').trim().slice(0, 200)].filter(Boolean);
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`;
}

function details(error: unknown): { readonly code: string; readonly message: string } & AmqpError {
  if (typeof error !== 'object' || error === null) return { code: '', message: error === undefined ? '' : String(error) };
  const { code, message, condition, description } = error as Partial<Record<'code' | 'message' | 'condition' | 'description', unknown>>;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    code: text(code),
    message: text(message),
    ...(typeof condition === 'string' && { condition }),
    ...(typeof description === 'string' && { description }),
  };
}
