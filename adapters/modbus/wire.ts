import { connect, type Socket } from 'node:net';
import { NotConnectedError } from '../../model/error.ts';
import { type ModbusSettings, wireName } from './settings.ts';

/** Bytes to and from a machine. After `closed` nothing else is called. */
export interface Wire {
  write(bytes: Uint8Array): void;
  /** Ends it at once; `closed` is not called for it. */
  destroy(): void;
  /** Whether it keeps the process alive. */
  hold(alive: boolean): void;
}

export interface WireEvents {
  /** `chunk` is valid only during the call. */
  data(chunk: Uint8Array): void;
  closed(why: string): void;
}

/** A machine that cannot be dialled within this is away; the operating system alone would wait for two minutes. */
const connectTimeoutMs = 5_000;
const keepAliveMs = 15_000;

/** Opens the wire, or rejects with NotConnectedError that says where and what to look at. */
export function openWire(settings: ModbusSettings, events: WireEvents, signal: AbortSignal): Promise<Wire> {
  return settings.serial ? openSerial(settings, events, signal) : openTcp(settings, events, signal);
}

function openTcp(settings: ModbusSettings, events: WireEvents, signal: AbortSignal): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const where = wireName(settings);
    let open = false;
    let failure: NodeJS.ErrnoException | undefined;
    const socket: Socket = connect({
      host: settings.host!,
      port: settings.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
      // One buffer for the life of the link: answers are decoded where they arrive.
      onread: {
        buffer: Buffer.allocUnsafe(16_384),
        callback: (size, buffer) => {
          events.data(buffer.subarray(0, size));
          return true;
        },
      },
    });
    const fail = (error: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(notConnected(where, error));
    };
    const abort = (): void => fail(Object.assign(new Error('cancelled'), { code: 'ABORT_ERR' }));
    const timer = setTimeout(() => fail(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), connectTimeoutMs);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    socket.once('connect', () => {
      open = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      resolve({
        write: (bytes) => void socket.write(bytes),
        destroy: () => {
          open = false;
          socket.destroy();
        },
        hold: (alive) => void (alive ? socket.ref() : socket.unref()),
      });
    });
    socket.on('error', (error) => {
      failure = error;
      if (!open) fail(error);
    });
    // A peer that has closed its half will not answer any more.
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      if (!open) return;
      open = false;
      events.closed(failure ? `the connection broke (${failure.code ?? failure.message})` : 'the other side closed the connection');
    });
  });
}

async function openSerial(settings: ModbusSettings, events: WireEvents, signal: AbortSignal): Promise<Wire> {
  const { SerialPort } = await import('serialport');
  const { path, ...line } = settings.serial!;
  if (signal.aborted) throw notConnected(path, { name: 'Error', message: 'cancelled', code: 'ABORT_ERR' });
  const port = new SerialPort({ path, ...line, autoOpen: false });
  await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(notConnected(path, error)) : resolve())));
  let open = true;
  const lost = (why: string): void => {
    if (!open) return;
    open = false;
    events.closed(why);
  };
  port.on('data', (chunk: Buffer) => {
    if (open) events.data(chunk);
  });
  port.on('error', (error) => {
    lost(`the serial line failed (${error.message})`);
    if (port.isOpen) port.close(() => {});
  });
  port.on('close', () => lost('the serial line was closed; was the adapter unplugged?'));
  return {
    write: (bytes) => void port.write(bytes),
    destroy: () => {
      open = false;
      // Its callback never comes on a port that is not open.
      if (port.isOpen) port.close(() => {});
    },
    hold: () => {},
  };
}

const explained: Readonly<Record<string, readonly [string, string]>> = {
  ECONNREFUSED: [
    'refuses connections',
    'Is the Modbus server of the machine switched on, and is this its port? Some machines serve one client only',
  ],
  ENOTFOUND: ['is not a known host', 'Check the spelling of host, or write the IP address'],
  EAI_AGAIN: ['cannot be looked up now', 'The name server does not answer; write the IP address to be independent of it'],
  EHOSTUNREACH: ['cannot be reached', 'Is the machine on, the cable in, and the network the right one?'],
  ENETUNREACH: ['cannot be reached', 'This gateway has no route to that network'],
  ETIMEDOUT: ['does not answer', 'Is the machine on, the address right, and no firewall between?'],
  ECONNRESET: ['closed the connection while it was being made', 'Some machines serve one client only; is another one connected?'],
  ABORT_ERR: ['was not waited for', 'The gateway is stopping or its settings changed'],
};

function notConnected(where: string, error: NodeJS.ErrnoException): NotConnectedError {
  const [what, hint] = explained[error.code ?? ''] ?? serialExplained(error.message);
  return new NotConnectedError('modbus-not-connected', `${where} ${what}`, { retry: 'with-backoff', hint, cause: error });
}

function serialExplained(message: string): readonly [string, string] {
  if (/no such file|not found|ENOENT/i.test(message))
    return ['does not exist', 'Is the adapter plugged in? ls /dev/serial/by-id shows the serial lines of this machine'];
  if (/permission|EACCES/i.test(message))
    return ['may not be opened', 'Add the user of the gateway to the group dialout, or pass the device into the container'];
  if (/lock|busy|EBUSY/i.test(message)) return ['is used by another program', 'A serial line has one owner; stop the other program'];
  return [`cannot be opened: ${message}`, 'Check the connection block of the mapping'];
}
