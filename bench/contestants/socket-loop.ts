/**
 * The limit where no C compiler is: a bare socket loop that reads the blocks, one request at a time, and looks at nothing.
 *
 * usage: node socket-loop.ts REGISTERS PERIOD_MS PORT…
 */
import { connect, type Socket } from 'node:net';
import { blocks, runRounds } from './loop.ts';

const [registers = 0, periodMs = 1000, ...ports] = process.argv.slice(2).map(Number);

interface Machine {
  readonly socket: Socket;
  read(start: number, quantity: number): Promise<void>;
}

async function open(port: number): Promise<Machine> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  const request = Buffer.from([0, 0, 0, 0, 0, 6, 1, 3, 0, 0, 0, 0]);
  let missing = 0;
  let done: (() => void) | undefined;
  socket.on('data', (chunk: Buffer) => {
    missing -= chunk.length;
    if (missing === 0) done?.();
  });
  return {
    socket,
    read(start, quantity) {
      request.writeUInt16BE(start, 8);
      request.writeUInt16BE(quantity, 10);
      missing = 9 + quantity * 2;
      return new Promise((resolve) => {
        done = resolve;
        socket.write(request);
      });
    },
  };
}

const machines = await Promise.all(ports.map(open));
const plan = blocks(registers);
await runRounds(periodMs, async (add) => {
  for (const machine of machines) {
    for (const { start, quantity } of plan) {
      await machine.read(start, quantity);
      add(quantity);
    }
  }
});
