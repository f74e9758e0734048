import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Passes TCP connections on to a port of this machine, until it stalls or goes. */
export async function startTcpRelay(to: number) {
  const sockets = new Set<Socket>();
  const upstream = new Set<Socket>();
  let stalled = false;
  const server = createServer((client) => {
    const broker = connect(to, '127.0.0.1');
    for (const socket of [client, broker]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        for (const each of [client, broker]) {
          each.destroy();
          sockets.delete(each);
          upstream.delete(each);
        }
      });
    }
    upstream.add(broker);
    client.pipe(broker);
    broker.pipe(client);
    if (stalled) broker.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    /** Answers do not come through any more. */
    stall(): void {
      stalled = true;
      for (const broker of upstream) {
        broker.unpipe();
        broker.pause();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) {
        server.close();
        await once(server, 'close');
      }
    },
  };
}
