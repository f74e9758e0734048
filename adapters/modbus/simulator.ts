import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { RawValue } from '../../model/value.ts';

import { encodeRegisters } from './encode.ts';
import { crc16 } from './framing/crc.ts';
import { answer, type UnitImage, unitImage } from './simulators/image.ts';
import { type ByteOrder, type ModbusType, typeShape } from './types.ts';

/** How the simulated line or gateway misbehaves; settable while it runs. Times in ms. */
export interface Misbehaviour {
  delayMs: number;
  /** Answers are held back this long once, for as many requests as `lateAnswers` says; the next requests are answered in time. */
  lateMs: number;
  lateAnswers: number;
  duplicate: boolean;
  /** Added to the unit id, and to the transaction id, of each answer. */
  unitOffset: number;
  transactionOffset: number;
  /** Sent instead of the next answer, once. */
  instead: Uint8Array | undefined;
  /** Accepts, never answers. */
  frozen: boolean;
}

export interface ModbusSimulatorOptions {
  /** Default 0: any free one. */
  readonly port?: number;
  readonly host?: string;
  readonly framing?: 'tcp' | 'rtu-over-tcp';
  readonly units?: readonly number[];
}

export interface ModbusSimulator extends AsyncDisposable {
  readonly port: number;
  readonly behave: Misbehaviour;
  /** Requests seen so far, as `unit function start count`. */
  readonly requests: string[];
  readonly connections: number;
  unit(id: number): UnitImage;
  /** Puts a typed value into holding registers from `start` on. */
  set(unitId: number, start: number, type: ModbusType, value: RawValue, byteOrder?: ByteOrder): void;
  /** Cuts every connection with RST. */
  reset(): void;
}

/** A Modbus TCP (or RTU over TCP) machine on loopback, strict where the standard is and as wrong as a test wants it. */
export async function startModbusSimulator(options: ModbusSimulatorOptions = {}): Promise<ModbusSimulator> {
  const units = new Map((options.units ?? [1]).map((id) => [id, unitImage()]));
  const behave: Misbehaviour = {
    delayMs: 0,
    lateMs: 0,
    lateAnswers: 0,
    duplicate: false,
    unitOffset: 0,
    transactionOffset: 0,
    instead: undefined,
    frozen: false,
  };
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const rtu = options.framing === 'rtu-over-tcp';
  const serve = (socket: Socket, unitId: number, transaction: number, pdu: Uint8Array): void => {
    if (requests.length < 100_000)
      requests.push(`${unitId} ${pdu[0]} ${((pdu[1] ?? 0) << 8) | (pdu[2] ?? 0)} ${((pdu[3] ?? 0) << 8) | (pdu[4] ?? 0)}`);
    const image = units.get(unitId);
    if (behave.frozen || image?.silent) return;
    // A gateway says that it has no way there (0x0B: the target does not answer).
    const reply = image ? answer(image, pdu) : Uint8Array.of((pdu[0] ?? 0) | 0x80, 0x0b);
    const unit = (unitId + behave.unitOffset) & 0xff;
    const whole = rtu ? rtuFrame(unit, reply) : tcpFrame((transaction + behave.transactionOffset) & 0xffff, unit, reply);
    let wait = behave.delayMs;
    if (behave.lateAnswers > 0) {
      behave.lateAnswers--;
      wait = behave.lateMs;
    }
    const bytes = behave.instead ?? whole;
    behave.instead = undefined;
    const send = (): void => {
      if (socket.destroyed) return;
      socket.write(bytes);
      if (behave.duplicate) socket.write(bytes);
    };
    if (wait > 0) setTimeout(send, wait);
    else send();
  };
  const server = createServer({ noDelay: true }, (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    socket.on('data', rtu ? rtuReader(socket, serve) : tcpReader(socket, serve));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve);
  });
  const unit = (id: number): UnitImage => {
    const image = units.get(id);
    if (!image) throw new Error(`the simulator has no unit ${id}`);
    return image;
  };
  return {
    port: (server.address() as AddressInfo).port,
    behave,
    requests,
    get connections() {
      return connections;
    },
    unit,
    set(unitId, start, type, value, byteOrder = 'ABCD') {
      const count = typeShape(type).registers ?? 1;
      const bytes = encodeRegisters({ type, byteOrder, count, array: false } as Parameters<typeof encodeRegisters>[0], value);
      for (let i = 0; i < bytes.length / 2; i++) unit(unitId).holding.set(start + i, bytes.readUInt16BE(i * 2));
    },
    reset() {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

type Serve = (socket: Socket, unitId: number, transaction: number, pdu: Uint8Array) => void;

function tcpReader(socket: Socket, serve: Serve): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (held.length >= 8) {
      const length = held.readUInt16BE(4);
      if (held.readUInt16BE(2) !== 0 || length < 2 || length > 254) {
        socket.destroy();
        return;
      }
      if (held.length < 6 + length) return;
      serve(socket, held[6]!, held.readUInt16BE(0), held.subarray(7, 6 + length));
      held = held.subarray(6 + length);
    }
  };
}

/** Requests of the functions that are served have 8 bytes, or say their own length in the seventh. */
function rtuReader(socket: Socket, serve: Serve): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 8) {
      const size = held[1] === 15 || held[1] === 16 ? 9 + held[6]! : 8;
      if (held.length < size) return;
      const frame = held.subarray(0, size);
      held = held.subarray(size);
      if (crc16(frame, 0, size - 2) === frame.readUInt16LE(size - 2)) serve(socket, frame[0]!, 0, frame.subarray(1, size - 2));
    }
  };
}

function tcpFrame(transaction: number, unitId: number, pdu: Uint8Array): Buffer {
  const frame = Buffer.alloc(7 + pdu.length);
  frame.writeUInt16BE(transaction, 0);
  frame.writeUInt16BE(pdu.length + 1, 4);
  frame[6] = unitId;
  frame.set(pdu, 7);
  return frame;
}

function rtuFrame(unitId: number, pdu: Uint8Array): Buffer {
  const frame = Buffer.alloc(3 + pdu.length);
  frame[0] = unitId;
  frame.set(pdu, 1);
  frame.writeUInt16LE(crc16(frame, 0, frame.length - 2), frame.length - 2);
  return frame;
}
