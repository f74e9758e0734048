import { GatewayError, NotConnectedError } from '../../model/error.ts';
import { type CertificateFacts, colons } from './certificate.ts';

/** What a failure is about, for its message. */
export interface Peer {
  /** `10.20.0.31:4840`. */
  readonly where: string;
  readonly endpoint: string;
  readonly user: string;
  /** Our own certificate, once it is known. */
  readonly own: CertificateFacts | undefined;
}

interface Translation {
  readonly pattern: RegExp;
  readonly code: string;
  readonly retry: 'with-backoff' | 'after-fix';
  message(peer: Peer): string;
  hint(peer: Peer): string;
}

const fingerprints = ({ own }: Peer): string => (own ? `SHA-1 ${colons(own.sha1)}` : 'see dragoman trust');
const trustUs = (peer: Peer): string =>
  `On the server, move the certificate "${peer.own?.subject ?? 'Dragoman'}" (${fingerprints(peer)}) from rejected to trusted; \`dragoman trust --export own.der\` writes it to a file`;

/** The library reports by text alone. First match wins, so what says more stands first. */
const translations: readonly Translation[] = [
  {
    pattern: /BadCertificateTimeInvalid|BadCertificateIssuerTimeInvalid/,
    code: 'opcua-certificate-time',
    retry: 'after-fix',
    message: (peer) =>
      peer.own && peer.own.validTo < new Date()
        ? `${peer.where} refuses this gateway's certificate: it expired on ${peer.own.validTo.toISOString().slice(0, 10)}`
        : `${peer.where} refuses this gateway's certificate as expired or not yet valid; it is valid until ${peer.own?.validTo.toISOString().slice(0, 10) ?? '?'}`,
    hint: () =>
      'Compare the clocks of server and gateway. An expired certificate is replaced by removing own/ in the pki folder and restarting',
  },
  {
    pattern: /BadCertificateUriInvalid/,
    code: 'opcua-certificate-uri',
    retry: 'after-fix',
    message: (peer) =>
      `${peer.where} refuses this gateway's certificate: its application URI ${peer.own?.applicationUri ?? ''} is not accepted`,
    hint: trustUs,
  },
  {
    pattern:
      /BadSecurityChecksFailed|BadCertificateUntrusted|BadCertificate(Chain|Revoked|Issuer|Use|Invalid|HostName)|BadApplicationSignatureInvalid/,
    code: 'opcua-not-trusted',
    retry: 'after-fix',
    message: (peer) => `${peer.where} does not trust this gateway's certificate (${fingerprints(peer)})`,
    hint: trustUs,
  },
  {
    pattern: /BadIdentityToken(Rejected|Invalid)|BadUserAccessDenied|BadUserSignatureInvalid/,
    code: 'opcua-user-refused',
    retry: 'after-fix',
    message: (peer) => `${peer.where} refuses ${peer.user}`,
    hint: (peer) =>
      peer.user === 'anonymous access'
        ? 'Set user: { name, password: { file } } in the connection'
        : 'Check user: in the connection, and that this user may log in on the server',
  },
  {
    pattern: /BadSecurityPolicyRejected|BadSecurityModeRejected|BadSecurityModeInsufficient/,
    code: 'opcua-security-refused',
    retry: 'after-fix',
    message: (peer) => `${peer.where} refuses the security that the mapping asks for`,
    hint: () => 'Compare security: in the connection with the endpoints that the server has enabled',
  },
  {
    pattern: /BadTcpEndpointUrlInvalid/,
    code: 'opcua-endpoint-unknown',
    retry: 'after-fix',
    message: (peer) => `${peer.where} has no endpoint ${peer.endpoint}`,
    hint: () => 'Check the path after the port',
  },
  {
    pattern: /BadTooManySessions/,
    code: 'opcua-too-many-sessions',
    retry: 'with-backoff',
    message: (peer) => `${peer.where} has no session left`,
    hint: () =>
      'Close other clients, or raise the number of sessions on the server; a session of a client that died is freed after its time-out',
  },
  {
    pattern: /BadServerHalted|BadShutdown|BadServerTooBusy|BadTcpServerTooBusy|BadOutOfService/,
    code: 'opcua-server-busy',
    retry: 'with-backoff',
    message: (peer) => `${peer.where} is starting, stopping or too busy`,
    hint: () => 'The gateway tries again by itself',
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN/,
    code: 'opcua-host-unknown',
    retry: 'with-backoff',
    message: (peer) => `the host name in ${peer.endpoint} is not known`,
    hint: () => 'Check the spelling and the name server, or write the IP address',
  },
  {
    pattern: /ECONNREFUSED/,
    code: 'opcua-refused',
    retry: 'with-backoff',
    message: (peer) => `nothing listens at ${peer.where}`,
    hint: () => 'Check that the OPC UA server runs, and its port (often 4840)',
  },
  {
    pattern: /EHOSTUNREACH|ENETUNREACH/,
    code: 'opcua-unreachable',
    retry: 'with-backoff',
    message: (peer) => `there is no way to ${peer.where}`,
    hint: () => 'Check cable, address, gateway and firewall',
  },
];

/** What the library or the server said, in words for the person at the machine. GatewayErrors pass as they are. */
export function translateFailure(error: unknown, peer: Peer): GatewayError {
  if (error instanceof GatewayError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const known = translations.find(({ pattern }) => pattern.test(text));
  if (known) {
    const options = { retry: known.retry, hint: known.hint(peer), cause: error } as const;
    return known.retry === 'with-backoff'
      ? new NotConnectedError(known.code, known.message(peer), options)
      : new GatewayError(known.code, known.message(peer), options);
  }
  const short = text.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
  return new NotConnectedError('opcua-connect', `${peer.where} cannot be used: ${short}`, {
    retry: 'with-backoff',
    hint: 'Check that this is an OPC UA server and that a firewall lets the gateway through',
    cause: error,
  });
}

export function timedOut(peer: Pick<Peer, 'where'>, what: string, ms: number): NotConnectedError {
  return new NotConnectedError('opcua-timeout', `${peer.where} ${what} within ${ms / 1000} s`, {
    retry: 'with-backoff',
    hint: 'The server may hang, or a firewall drops its packets; check that it still serves others',
  });
}

/** True for answers that mean "ask for less at once". */
export function asksForLess(error: unknown): boolean {
  return /BadTooManyOperations|BadTcpMessageTooLarge|BadRequestTooLarge|BadResponseTooLarge|BadEncodingLimitsExceeded/.test(
    error instanceof Error ? error.message : String(error),
  );
}
