import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type GatewayError, NotConnectedError } from '../../model/error.ts';
import { addressOf, type Place, unreachable } from './unreachable.ts';

export interface TlsOptions {
  /** PEM of roots, instead of those that come with Node. */
  readonly ca: string | undefined;
  /** PEM of our certificate, chain included, and its key. */
  readonly certificate: string | undefined;
  readonly privateKey: string | undefined;
}

/**
 * Opens TCP, and TLS where `tls` is given; chain and name are always verified, no-delay is set. Rejects with what `unreachable` makes of
 * the failure, with NotConnectedError `hub-unreachable` after `timeoutMs`, with `hub-connect-stopped` when the signal aborts.
 */
export function openSocket(place: Place, tls: TlsOptions | undefined, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
  const { host, port } = place;
  const tcp: TcpNetConnectOpts = {
    host,
    port,
    // Node gives each address of a name 250 ms; a radio link needs longer, and would never connect.
    autoSelectFamilyAttemptTimeout: 3_000,
  };
  return new Promise((resolve, reject) => {
    const socket = tls ? connectTls({ ...tcp, ...tlsOptions(host, tls) }) : connectTcp(tcp);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      for (const event of ['error', 'connect', 'secureConnect', 'close']) socket.removeAllListeners(event);
      act();
    };
    const fail = (error: GatewayError): void =>
      settle(() => {
        // An error that comes after the first must find a listener.
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      });
    const abort = (): void => fail(connectStopped(place));
    const failWith = (code: string): void => fail(unreachable(Object.assign(new Error(code), { code }), place, Date.now()));
    const timer = setTimeout(() => failWith('ETIMEDOUT'), timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', (error) => fail(unreachable(error, place, Date.now())));
    socket.on('close', () => failWith('ECONNRESET'));
    socket.on(tls ? 'secureConnect' : 'connect', () =>
      settle(() => {
        // PUBACK-then-PUBLISH meets delayed acknowledgement otherwise: 43 ms instead of 0.6.
        socket.setNoDelay(true);
        resolve(socket);
      }),
    );
    if (signal.aborted) abort();
  });
}

/** As Node's TLS wants it; also for a library that opens the socket itself. */
export function tlsOptions(host: string, { ca, certificate, privateKey }: TlsOptions): ConnectionOptions {
  return {
    // SNI carries names only; an address there is a protocol error (RFC 6066 §3).
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(privateKey === undefined ? {} : { key: privateKey }),
    minVersion: 'TLSv1.2',
  };
}

export const connectStopped = (place: Pick<Place, 'host' | 'port'>): NotConnectedError =>
  new NotConnectedError('hub-connect-stopped', `Connecting to ${addressOf(place)} was stopped.`, { retry: 'with-backoff' });
