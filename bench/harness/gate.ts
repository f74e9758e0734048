import { connect, createServer, type Socket } from 'node:net';
import { freePort } from '../../test/support/ports.ts';

/** A door before a port: closed, nobody listens there, as with a broker that is away. */
export interface Gate extends AsyncDisposable {
  readonly port: number;
  open(): Promise<void>;
  close(): Promise<void>;
}

/** Open at first. */
export async function startGate(target: number): Promise<Gate> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  const open = (): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  await open();
  return { port, open, close, [Symbol.asyncDispose]: close };
}
