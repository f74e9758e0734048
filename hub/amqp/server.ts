import type { Socket } from 'node:net';
import { createServer } from 'node:tls';
import type { ServerCertificate } from '../certificates.ts';
import type { HubCore } from '../core/contract.ts';
import { type HubLog, LogThrottle } from '../log.ts';
import { listenOn } from '../service/listen.ts';
import type { Plane, ServiceConnection } from './connection.ts';

export interface AmqpSettings {
  /** 0 takes any free port; 5671 is where the SDKs look. */
  readonly port: number;
  /** Undefined: every interface. */
  readonly listen: string | undefined;
  readonly certificate: ServerCertificate;
  /** How long a client may take to show a token, milliseconds. Default 20 s. */
  readonly tokenWithinMs?: number;
}

/** The AMQP service plane while it listens. */
export interface AmqpServer extends AsyncDisposable {
  readonly port: number;
  useCertificate(certificate: ServerCertificate): void;
  /** Says goodbye to everybody; within half a second. */
  close(): Promise<void>;
}

const goodbyeMs = 500;

/** Serves messages to devices, feedback, and telemetry as an event hub, over AMQP 1.0 with TLS. Rejects with HubError when it cannot listen. */
export async function startAmqp(core: HubCore, settings: AmqpSettings, log: HubLog): Promise<AmqpServer> {
  const [{ ServiceConnection }, { Owners }] = await Promise.all([import('./connection.ts'), import('./owners.ts')]);
  const throttle = new LogThrottle();
  const plane: Plane = {
    core,
    owners: new Owners(),
    feedback: new Set(),
    startedMs: Date.now(),
    tokenWithinMs: settings.tokenWithinMs ?? 20_000,
    refused(address, what, reason) {
      const held = throttle.admit(`${address} ${what}`);
      if (held !== undefined) log.warn({ address, reason, ...(held > 0 && { held }) }, `${what} refused`);
    },
  };
  const { certificate, privateKey } = settings.certificate;
  const connections = new Set<ServiceConnection>();
  const server = createServer({ cert: certificate, key: privateKey, minVersion: 'TLSv1.2', noDelay: true, keepAlive: true });
  server.on('secureConnection', (socket: Socket) => {
    // After idling the library takes all listeners off the socket, also the one for errors.
    socket.on('error', () => {});
    const connection = new ServiceConnection(socket, plane);
    connections.add(connection);
    socket.once('close', () => connections.delete(connection));
  });
  server.on('tlsClientError', () => {});
  const port = await listenOn(server, { port: settings.port, listen: settings.listen, flag: '--amqp', instead: 5671 });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...connections].map((connection) => connection.close(goodbyeMs)));
      await closed;
    })();
    return closing;
  };
  return {
    port,
    useCertificate: (fresh) => server.setSecureContext({ cert: fresh.certificate, key: fresh.privateKey }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
