// @ts-check
import { createServer } from 'node:net';

/** A scale on loopback, for tests and for trying out: `node simulator.js 4305`. */
export async function startScale(port = 0) {
  const scale = { weight: 12.34, moving: false, silent: false };
  const sockets = new Set();
  const answers = {
    SI: () => `S ${scale.moving ? 'D' : 'S'} ${scale.weight.toFixed(2).padStart(10)} g`,
    I4: () => 'I4 A "B123456789"',
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
      const lines = text.split('\r\n');
      text = lines.pop() ?? '';
      for (const command of lines) if (!scale.silent) socket.write(`${answers[command]?.() ?? 'ES'}\r\n`);
    });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(undefined));
  });
  return {
    scale,
    port: /** @type {import('node:net').AddressInfo} */ (server.address()).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}

if (import.meta.main) {
  const { port } = await startScale(Number(process.argv[2] ?? 4305));
  console.log(`a scale listens on 127.0.0.1:${port}`);
}
