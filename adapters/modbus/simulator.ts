import { createServer, type Socket } from 'node:net';
import { AsciiFramer } from './framing/ascii.ts';
import type { Framer, FrameSink } from './framing/framing.ts';
import { RtuRequestFramer } from './framing/rtu-request.ts';
import { TcpFramer } from './framing/tcp.ts';
import type { Framing, ModbusSettings } from './settings.ts';
import { SimulatedUnit } from './simulated-unit.ts';

export interface ModbusSimulatorOptions {
  readonly host?: string;
  /** 0, the default: any free one. */
  readonly port?: number;
  readonly serial?: NonNullable<ModbusSettings['serial']>;
  readonly framing?: Framing;
  /** Unit ids that exist from the start; others stay silent, as on a serial line. Default: 1. */
  readonly units?: readonly number[];
}

/** A request as it came, and the answer the machine would give. */
export interface SimulatedRequest {
  readonly unitId: number;
  /** -1 where the framing has none. */
  readonly transaction: number;
  readonly pdu: Uint8Array;
  /** How many came before, on all connections. */
  readonly number: number;
}

/** Instead of the usual answer. Several frames may be sent, each after its delay. */
export type Misbehaviour = 'answer' | 'silence' | 'reset' | readonly Frame[];
export type Frame =
  | { readonly raw: Uint8Array; readonly afterMs?: number }
  | { readonly unitId?: number; readonly transaction?: number; readonly pdu?: Uint8Array; readonly afterMs?: number };

/** A Modbus machine, or several behind one gateway, on loopback or a serial line. */
export interface ModbusSimulator extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  unit(id?: number): SimulatedUnit;
  /** Decides about each request, when set. */
  behave: ((request: SimulatedRequest) => Misbehaviour) | undefined;
  /** Connections accepted since the start, and those open now. */
  readonly accepted: number;
  readonly open: number;
  readonly requests: number;
  /** Every open connection ends with a TCP reset, or in an orderly way. */
  reset(): void;
  hangUp(): void;
  /** Stops listening and ends everything. */
  close(): Promise<void>;
}

/** Listens, or opens the serial line; rejects when that is not possible. */
export async function startModbusSimulator(options: ModbusSimulatorOptions = {}): Promise<ModbusSimulator> {
  const framing = options.framing ?? (options.serial ? 'rtu' : 'tcp');
  const machine = new Machine(framing, options.units ?? [1]);
  const end = options.serial ? await openLine(machine, options.serial) : undefined;
  const listener = end ? undefined : await listen(machine, options);
  const simulator: ModbusSimulator = {
    host: options.host ?? '127.0.0.1',
    port: listener?.port ?? 0,
    unit: (id = 1) => machine.unit(id),
    get behave() {
      return machine.behave;
    },
    set behave(behave) {
      machine.behave = behave;
    },
    get accepted() {
      return listener?.accepted() ?? 0;
    },
    get open() {
      return listener?.sockets.size ?? 0;
    },
    get requests() {
      return machine.requests;
    },
    reset: () => listener?.sockets.forEach((socket) => void socket.resetAndDestroy()),
    hangUp: () => listener?.sockets.forEach((socket) => void socket.end()),
    close: async () => {
      await (end ?? listener?.close)?.();
    },
    [Symbol.asyncDispose]: () => simulator.close(),
  };
  return simulator;
}

interface Line {
  write(bytes: Uint8Array): void;
  reset(): void;
}

/** The units and how they answer, whatever the wire. */
class Machine {
  readonly framing: Framing;
  readonly #units = new Map<number, SimulatedUnit>();
  behave: ModbusSimulator['behave'];
  requests = 0;

  constructor(framing: Framing, units: readonly number[]) {
    this.framing = framing;
    for (const id of units) this.unit(id);
  }

  unit(id: number): SimulatedUnit {
    let unit = this.#units.get(id);
    if (!unit) {
      unit = new SimulatedUnit();
      this.#units.set(id, unit);
    }
    return unit;
  }

  /** What takes the bytes of one connection. */
  attach(line: Line): (chunk: Uint8Array) => void {
    const framer: Framer = this.framing === 'tcp' ? new TcpFramer() : this.framing === 'ascii' ? new AsciiFramer() : new RtuRequestFramer();
    let ready: Buffer[] = [];
    const sink: FrameSink = {
      frame: (unitId, transaction, bytes, start, end) => {
        const answer = this.#take(line, framer, unitId, transaction, bytes.subarray(start, end));
        if (answer) ready.push(answer);
      },
      garbage: () => {},
      broken: () => line.reset(),
    };
    return (chunk) => {
      framer.push(chunk, undefined, sink);
      if (ready.length === 0) return;
      line.write(ready.length === 1 ? ready[0]! : Buffer.concat(ready));
      ready = [];
    };
  }

  /** The frame to send now; undefined when there is none, or it comes later. */
  #take(line: Line, framer: Framer, unitId: number, transaction: number, pdu: Uint8Array): Buffer | undefined {
    const number = this.requests++;
    const unit = this.#units.get(unitId);
    const wish = this.behave?.({ unitId, transaction, pdu, number }) ?? 'answer';
    if (wish === 'silence' || !unit || unit.silent) return undefined;
    if (wish === 'reset') {
      line.reset();
      return undefined;
    }
    const usual = unit.answer(pdu);
    if (wish === 'answer') {
      const frame = framer.encode(unitId, transaction, usual);
      if (unit.delayMs === 0) return frame;
      setTimeout(() => line.write(frame), unit.delayMs).unref();
      return undefined;
    }
    for (const frame of wish) {
      const bytes =
        'raw' in frame ? frame.raw : framer.encode(frame.unitId ?? unitId, frame.transaction ?? transaction, frame.pdu ?? usual);
      if (frame.afterMs) setTimeout(() => line.write(bytes), frame.afterMs).unref();
      else line.write(bytes);
    }
    return undefined;
  }
}

interface Listener {
  readonly port: number;
  readonly sockets: ReadonlySet<Socket>;
  accepted(): number;
  close(): Promise<void>;
}

async function listen(machine: Machine, { host = '127.0.0.1', port = 0 }: ModbusSimulatorOptions): Promise<Listener> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const line: Line = {
      write: (bytes) => {
        if (socket.writable) socket.write(bytes);
      },
      reset: () => void socket.resetAndDestroy(),
    };
    socket.on('data', machine.attach(line));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : port,
    sockets,
    accepted: () => accepted,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

async function openLine(machine: Machine, { path, ...line }: NonNullable<ModbusSettings['serial']>): Promise<() => Promise<void>> {
  const { SerialPort } = await import('serialport');
  const port = new SerialPort({ path, ...line, autoOpen: false });
  await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())));
  const write = (bytes: Uint8Array): void => {
    if (port.isOpen) port.write(bytes);
  };
  port.on('data', machine.attach({ write, reset: () => {} }));
  port.on('error', () => {});
  return () =>
    new Promise((resolve) => {
      if (port.isOpen) port.close(() => resolve());
      else resolve();
    });
}
