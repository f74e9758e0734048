import type { ServerCertificate } from '../certificates.ts';
import type { HubCore } from '../core/contract.ts';
import { HubError } from '../error.ts';
import type { HubLog } from '../log.ts';

/**
 * A port (0 takes any free one), or `usual`: the one that the SDKs look for, when this program may have it; if not, the hub runs without and
 * says so. Undefined: nothing listens.
 */
export type PortWish = number | 'usual' | undefined;

export interface ServicePlaneSettings {
  readonly https: PortWish;
  readonly amqp: PortWish;
  /** Undefined: every interface. */
  readonly listen: string | undefined;
  readonly certificate: ServerCertificate;
  /** How long an AMQP client may take to show a token, milliseconds. Default 20 s. */
  readonly tokenWithinMs?: number;
}

/** What services talk to: REST and AMQP. */
export interface ServicePlane extends AsyncDisposable {
  /** Undefined: it does not listen. */
  readonly httpsPort: number | undefined;
  readonly amqpPort: number | undefined;
  useCertificate(certificate: ServerCertificate): void;
  close(): Promise<void>;
}

/** The only ports at which the SDKs look for REST, and look for AMQP unless told otherwise. */
export const usualPorts = { https: 443, amqp: 5671 } as const;

interface Listener extends AsyncDisposable {
  readonly port: number;
  useCertificate(certificate: ServerCertificate): void;
}

/** Starts what is wished. Rejects with HubError when a port that was named cannot be had. */
export async function startServicePlane(core: HubCore, settings: ServicePlaneSettings, log: HubLog): Promise<ServicePlane> {
  const { listen, certificate, tokenWithinMs } = settings;
  await using stack = new AsyncDisposableStack();
  const started: Listener[] = [];
  const start = async (kind: keyof typeof usualPorts, open: (port: number) => Promise<Listener>): Promise<number | undefined> => {
    const listener = await listenerFor(kind, settings[kind], open, log);
    if (listener) started.push(stack.use(listener));
    return listener?.port;
  };
  const httpsPort = await start('https', async (port) => (await import('./server.ts')).startRest(core, { port, listen, certificate }, log));
  const amqpPort = await start('amqp', async (port) =>
    (await import('../amqp/server.ts')).startAmqp(
      core,
      { port, listen, certificate, ...(tokenWithinMs !== undefined && { tokenWithinMs }) },
      log,
    ),
  );
  const running = stack.move();
  const close = (): Promise<void> => running.disposeAsync();
  return {
    httpsPort,
    amqpPort,
    useCertificate(fresh) {
      for (const listener of started) listener.useCertificate(fresh);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listenerFor(
  kind: keyof typeof usualPorts,
  wish: PortWish,
  open: (port: number) => Promise<Listener>,
  log: HubLog,
): Promise<Listener | undefined> {
  if (wish === undefined) return undefined;
  if (wish !== 'usual') return open(wish);
  try {
    return await open(usualPorts[kind]);
  } catch (error) {
    if (!(error instanceof HubError) || !['port-in-use', 'port-not-allowed'].includes(error.code)) throw error;
    const what = kind === 'https' ? 'the REST API is off' : 'the AMQP endpoint is off';
    log.warn({ reason: error.message, hint: error.hint }, what);
    return undefined;
  }
}
