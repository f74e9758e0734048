import { existsSync } from 'node:fs';
import { make } from './errors.ts';

/** Where the engine is. */
export interface EngineAddress {
  /**
   * `unix:///var/run/docker.sock` or `tcp://host:2376`. Undefined: `DOCKER_HOST`, then the usual sockets of Docker and podman, the first that is there.
   */
  readonly url?: string | undefined;
  /** PEM texts, for tcp. */
  readonly tls?: EngineTls | undefined;
}

export interface EngineTls {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

export type ResolvedAddress =
  | { readonly at: string; readonly socketPath: string }
  | { readonly at: string; readonly host: string; readonly port: number; readonly tls: EngineTls | undefined };

/** Rejects with `engine-absent` where none is to be found, with `engine-forbidden` where it would be talked to in the clear over a network. */
export function resolveAddress({ url, tls }: EngineAddress, environment: NodeJS.ProcessEnv = process.env): ResolvedAddress {
  const written = url ?? (environment.DOCKER_HOST || undefined);
  if (written === undefined) return usualSocket(environment);
  const socket = /^unix:(?:\/\/)?(\/.*)$/.exec(written) ?? /^(\/.*)$/.exec(written);
  if (socket) return { at: `unix:${socket[1]}`, socketPath: socket[1]! };
  const parsed = URL.canParse(written) ? new URL(written) : undefined;
  if (!parsed || parsed.hostname === '' || !/^(tcp|https?):$/.test(parsed.protocol))
    throw make('engine-absent', `"${written}" does not say where a container engine is`, { hint: 'write unix:///PATH or tcp://HOST:2376' });
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  const port = Number(parsed.port) || (tls ? 2376 : 2375);
  if (!tls && !/^(127\.\d+\.\d+\.\d+|localhost|::1)$/.test(host)) {
    const hint = 'give modules.engine its tls: ca, certificate and key; or use the socket of an engine on this machine';
    throw make('engine-forbidden', `the container engine at ${written} would be talked to without TLS: who listens owns it`, { hint });
  }
  return { at: `tcp://${parsed.host}`, host, port, tls };
}

function usualSocket(environment: NodeJS.ProcessEnv): ResolvedAddress {
  const runtime = environment.XDG_RUNTIME_DIR;
  const own = runtime ? [`${runtime}/docker.sock`, `${runtime}/podman/podman.sock`] : [];
  const usual = ['/var/run/docker.sock', '/run/podman/podman.sock', ...own];
  const socketPath = usual.find((path) => existsSync(path));
  if (socketPath === undefined) throw make('engine-absent', `no container engine on this machine: there is none of ${usual.join(', ')}`);
  return { at: `unix:${socketPath}`, socketPath };
}
