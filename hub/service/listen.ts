import type { AddressInfo, Server } from 'node:net';
import { afterFix, type HubError } from '../error.ts';

export interface ListenAt {
  /** 0 takes any free port. */
  readonly port: number;
  /** Undefined: every interface. */
  readonly listen: string | undefined;
  /** The flag that sets the port: `--https`. */
  readonly flag: string;
  /** What stands in place of a port that ordinary programs may not open: 8443. */
  readonly instead: number;
}

/** Resolves with the port. Rejects with HubError: in use, not allowed, no such address; each says what to do. */
export function listenOn(server: Server, at: ListenAt): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', (error) => reject(listenError(error, at)));
  server.listen({ port: at.port, ...(at.listen !== undefined && { host: at.listen }) }, () => {
    server.removeAllListeners('error').on('error', () => {});
    resolve((server.address() as AddressInfo).port);
  });
  return promise;
}

export function listenError(error: NodeJS.ErrnoException, { port, listen, flag, instead }: ListenAt): HubError {
  const where = `${listen ?? 'every interface'}, port ${port}`;
  if (error.code === 'EADDRINUSE') {
    const hint = `stop it, or take another port with ${flag} (${flag} 0 takes any free one)`;
    return afterFix('port-in-use', `cannot listen on ${where}: another program uses this port`, hint, error);
  }
  if (error.code === 'EACCES') {
    const text = `cannot listen on ${where}: ports below 1024 are for programs with a right to them`;
    const hint = `take a higher port with ${flag} ${instead}, or give the right: AmbientCapabilities=CAP_NET_BIND_SERVICE in the service's unit, or sysctl net.ipv4.ip_unprivileged_port_start=${port}`;
    return afterFix('port-not-allowed', text, hint, error);
  }
  return afterFix('listen', `cannot listen on ${where}: ${error.message}`, 'give an address of this machine with --listen', error);
}
