/**
 * A bank of Modbus TCP machines for the bench, made to cost little: one port a machine, unit ids do not matter,
 * and each read of a register finds it one higher than the last read (a float 0.1 higher), so every poll brings news.
 *
 * usage: node modbus-server.ts MACHINES REGISTERS [FLOATS_FROM]
 * Registers from FLOATS_FROM on are float32 pairs, high word first. Prints `ready PORT PORT …`; on SIGUSR2 `count REGISTERS_SERVED`.
 */
import { createServer, type Server, type Socket } from 'node:net';

const machines = Number(process.argv[2] ?? 1);
const registers = Number(process.argv[3] ?? 65_536);
const floatsFrom = Number(process.argv[4] ?? registers);
let served = 0;

function serve(): Server {
  const bytes = Buffer.alloc(registers * 2);
  const counts = new Uint32Array(registers);
  for (let at = 0; at < floatsFrom; at++) bytes.writeUInt16BE((at * 7) & 0xffff, at * 2);

  function advance(start: number, end: number): void {
    let at = start;
    for (; at < Math.min(end, floatsFrom); at++) {
      const low = at * 2 + 1;
      bytes[low]!++;
      if (bytes[low] === 0) bytes[low - 1]!++;
    }
    for (at += (at - floatsFrom) & 1; at + 1 < end; at += 2) {
      counts[at] = (counts[at]! + 1) % 10_000;
      bytes.writeFloatBE((at % 100) + counts[at]! / 10, at * 2);
    }
  }

  /** Answers one whole request that starts at `offset`. */
  function answer(request: Buffer, offset: number): Buffer {
    const functionCode = request[offset + 7]!;
    const start = request.readUInt16BE(offset + 8);
    const quantity = request.readUInt16BE(offset + 10);
    const known = functionCode === 3 || functionCode === 4;
    if (!known || quantity < 1 || quantity > 125 || start + quantity > registers) {
      const refusal = Buffer.from([0, 0, 0, 0, 0, 3, request[offset + 6]!, functionCode | 0x80, known ? 2 : 1]);
      request.copy(refusal, 0, offset, offset + 2);
      return refusal;
    }
    const reply = Buffer.allocUnsafe(9 + quantity * 2);
    request.copy(reply, 0, offset, offset + 2);
    reply.writeUInt16BE(0, 2);
    reply.writeUInt16BE(3 + quantity * 2, 4);
    reply[6] = request[offset + 6]!;
    reply[7] = functionCode;
    reply[8] = quantity * 2;
    bytes.copy(reply, 9, start * 2, (start + quantity) * 2);
    advance(start, start + quantity);
    served += quantity;
    return reply;
  }

  return createServer({ noDelay: true }, (socket: Socket) => {
    let rest: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const input = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let offset = 0;
      while (input.length - offset >= 12) {
        socket.write(answer(input, offset));
        offset += 6 + input.readUInt16BE(offset + 4);
      }
      rest = input.subarray(offset);
    });
  });
}

const ports: number[] = [];
for (let machine = 0; machine < machines; machine++) {
  const server = serve();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address !== null && typeof address === 'object') ports.push(address.port);
}
process.on('SIGUSR2', () => process.stdout.write(`count ${served}\n`));
process.stdout.write(`ready ${ports.join(' ')}\n`);
