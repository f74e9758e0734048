import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from './endpoint.ts';
import { over, unreachable } from './failures.ts';

/** What TLS needs, opened. PEM. */
export interface TlsMaterial {
  readonly ca: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

/** Opens TCP or TLS; resolves once bytes can travel. A WebSocket is opened by the MQTT library. Rejects as `connect` of the contract. */
export function openSocket(endpoint: Endpoint, tls: TlsMaterial, timeoutMs: number, signal: AbortSignal): Promise<Duplex> {
  const { host, port, transport } = endpoint;
  // Node gives each address of a name 250 ms; a radio link needs longer, and would never connect.
  const target = { host, port, autoSelectFamilyAttemptTimeout: 3_000 };
  return new Promise((resolve, reject) => {
    const socket: Socket =
      transport === 'tls'
        ? connectTls({
            ...target,
            // SNI carries names only; an address there is a protocol error (RFC 6066 §3).
            ...(isIP(host) === 0 ? { servername: host } : {}),
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.certificate === undefined ? {} : { cert: tls.certificate, key: tls.key }),
            minVersion: 'TLSv1.2',
          })
        : connectTcp(target);
    const ready = transport === 'tls' ? 'secureConnect' : 'connect';
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.removeListener('error', fail).removeListener('close', closed).removeListener(ready, opened);
      act();
    };
    const fail = (error: unknown): void =>
      settle(() => {
        // An error that comes after the first must find a listener.
        socket.on('error', () => {});
        socket.destroy();
        reject(unreachable(error, endpoint));
      });
    const abort = (): void => fail(over(endpoint));
    const closed = (): void => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
    const opened = (): void =>
      settle(() => {
        // PUBACK then PUBLISH meets delayed acknowledgement otherwise: 43 ms instead of 0.6.
        socket.setNoDelay(true);
        resolve(socket);
      });
    const timer = setTimeout(() => fail(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })), timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    socket.on('error', fail).on('close', closed).on(ready, opened);
    if (signal.aborted) abort();
  });
}
