import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, type EventContext, rhea, surviveErrors } from '../library.ts';

export interface ConveyorOptions {
  /** Where the gateway listens; 127.0.0.1 by default. */
  readonly host?: string;
  readonly port: number;
  /** Left out: it does not log in. */
  readonly user?: string;
  readonly password?: string;
  /** How often it tells its state; 500 ms by default. */
  readonly stepMs?: number;
  /** Time from the beginning of one jam to that of the next; 45 s by default, 0: never. */
  readonly faultEveryMs?: number;
  readonly jamMs?: number;
  /** Told what begins and what ends, in words for people. Without it the conveyor has no faults. */
  readonly onFault?: (text: string) => void;
}

export interface Conveyor extends AsyncDisposable {
  readonly connected: boolean;
}

/** Where the conveyor sends to: its state every step, and alarms when they come and go. */
export const conveyorStatus = 'conveyor/status';
export const conveyorAlarms = 'conveyor/alarms';

/** What the counter of the demo plant shows; beyond what a double can count. */
const firstPiece = 9_007_199_254_740_993n;
const reconnectMs = { first: 200, most: 5_000 } as const;
/** Messages that wait for the gateway; the oldest go. */
const mostKept = 500;

interface Outgoing {
  readonly address: string;
  readonly message: object;
}

/**
 * A conveyor whose controller connects to the gateway and sends by itself: JSON with the speed of the belt and a 64-bit counter,
 * and jams as alarms with properties. It keeps what the gateway has not accepted, and connects again for ever.
 */
export async function startConveyor(options: ConveyorOptions): Promise<Conveyor> {
  const stop = new AbortController();
  const plant = new Plant();
  // Whoever just came to listen learns whether there is a jam now.
  const controller = new Controller(options, () => controller.send(conveyorAlarms, alarmMessage(plant.jammed)));
  const stepMs = options.stepMs ?? 500;
  let lastMs = performance.now();
  const stepping = setInterval(() => {
    const nowMs = performance.now();
    plant.move((nowMs - lastMs) / 1_000);
    lastMs = nowMs;
    controller.send(conveyorStatus, statusMessage(plant));
  }, stepMs);
  const jams = async (): Promise<void> => {
    const everyMs = options.faultEveryMs ?? 45_000;
    const wait = (ms: number): Promise<void> => sleep(ms, undefined, { signal: stop.signal }).catch(() => {});
    while (everyMs > 0 && options.onFault) {
      await wait(everyMs / 2);
      if (stop.signal.aborted) return;
      plant.jammed = true;
      controller.send(conveyorAlarms, alarmMessage(true));
      options.onFault('the conveyor has a jam at the transfer');
      await wait(options.jamMs ?? Math.min(8_000, everyMs / 4));
      plant.jammed = false;
      controller.send(conveyorAlarms, alarmMessage(false));
      options.onFault('the jam of the conveyor is cleared');
      await wait(everyMs / 2);
      if (stop.signal.aborted) return;
    }
  };
  const jamming = jams();
  return {
    get connected() {
      return controller.connected;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearInterval(stepping);
      await jamming;
      controller.close();
    },
  };
}

/** Belt and boxes. */
class Plant {
  jammed = false;
  speed = 0;
  pieces = firstPiece;
  #distance = 0;
  #seconds = 0;

  move(seconds: number): void {
    this.#seconds += seconds;
    const wanted = this.jammed ? 0 : 0.8 + 0.04 * Math.sin(this.#seconds / 7);
    // A belt takes its time.
    this.speed += (wanted - this.speed) * Math.min(1, seconds * 2);
    this.#distance += this.speed * seconds;
    // A piece every 40 cm.
    while (this.#distance >= 0.4) {
      this.#distance -= 0.4;
      this.pieces++;
    }
  }
}

function statusMessage({ speed, pieces, jammed }: Plant): object {
  const now = new Date();
  // JSON.stringify would refuse the counter; a PLC writes its digits like any other.
  const text = `{"time":"${now.toISOString()}","belt":{"speed":${speed.toFixed(3)},"state":"${jammed ? 'jammed' : 'running'}"},"pieces":${pieces}}`;
  return { content_type: 'application/json', creation_time: now, durable: true, body: rhea.message.data_section(Buffer.from(text)) };
}

function alarmMessage(active: boolean): object {
  return {
    content_type: 'application/json',
    creation_time: new Date(),
    durable: true,
    application_properties: { alarm: 'jam', active, severity: active ? 'high' : 'none' },
    body: rhea.message.data_section(Buffer.from(JSON.stringify({ text: active ? 'jam at the transfer' : 'no jam', place: 'transfer' }))),
  };
}

interface Sender {
  readonly credit: number;
  sendable(): boolean;
  send(message: object): object;
  on(event: string, run: (context: EventContext) => void): void;
}

/** The client side of a PLC: one link an address, a session each, messages kept until they are accepted. */
class Controller {
  readonly #options: ConveyorOptions;
  readonly #onOpen: () => void;
  #connection: Connection | undefined;
  #senders = new Map<string, Sender>();
  #waiting: Outgoing[] = [];
  #sent = new Map<object, Outgoing>();
  #retry: NodeJS.Timeout | undefined;
  #waitMs: number = reconnectMs.first;
  #closed = false;
  connected = false;

  /** `opened` is called after each connection, with the links ready to take messages. */
  constructor(options: ConveyorOptions, opened: () => void) {
    this.#options = options;
    this.#onOpen = opened;
    this.#connect();
  }

  send(address: string, message: object): void {
    this.#waiting.push({ address, message });
    if (this.#waiting.length > mostKept) this.#waiting.shift();
    this.#pump();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connection?.close();
  }

  #connect(): void {
    const { host = '127.0.0.1', port, user, password = '' } = this.#options;
    const container = rhea.create_container({ id: 'conveyor-plc' });
    const mechanisms = rhea.sasl.client_mechanisms() as unknown as Record<string, unknown>;
    const [name, answer] = user === undefined ? ['ANONYMOUS', 'conveyor'] : ['PLAIN', `\0${user}\0${password}`];
    mechanisms[name] = () => ({ start: (done: (error: undefined, response: Buffer) => void) => done(undefined, Buffer.from(answer)) });
    const connection = container.create_connection({
      host,
      port,
      reconnect: false,
      idle_time_out: 10_000,
      sasl_mechanisms: mechanisms,
    } as never);
    this.#connection = connection;
    surviveErrors(connection, container);
    const lost = (): void => this.#lost(connection);
    for (const event of ['disconnected', 'connection_close', 'error', 'protocol_error'] as const) connection.on(event, lost);
    connection.on('connection_open', () => this.#opened(connection));
    connection.connect();
  }

  #opened(connection: Connection): void {
    this.connected = true;
    this.#waitMs = reconnectMs.first;
    for (const address of [conveyorStatus, conveyorAlarms]) {
      const session = connection.create_session();
      session.begin();
      const sender = session.open_sender({ target: { address }, source: { address: 'conveyor' } }) as unknown as Sender;
      this.#senders.set(address, sender);
      sender.on('sendable', () => this.#pump());
      sender.on('accepted', ({ delivery }) => void this.#sent.delete(delivery!));
      sender.on('rejected', ({ delivery }) => void this.#sent.delete(delivery!));
      sender.on('released', ({ delivery }) => this.#again(delivery!));
      sender.on('sender_error', () => {});
      sender.on('sender_close', () => connection.close());
    }
    this.#onOpen();
  }

  #pump(): void {
    const left: Outgoing[] = [];
    for (const outgoing of this.#waiting) {
      const sender = this.#senders.get(outgoing.address);
      if (sender?.sendable()) this.#sent.set(sender.send(outgoing.message), outgoing);
      else left.push(outgoing);
    }
    this.#waiting = left;
  }

  #again(delivery: object): void {
    const outgoing = this.#sent.get(delivery);
    this.#sent.delete(delivery);
    if (outgoing) this.#waiting.unshift(outgoing);
  }

  #lost(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.connected = false;
    this.#senders.clear();
    // Whatever was not accepted goes again, in its order.
    this.#waiting = [...this.#sent.values(), ...this.#waiting].slice(-mostKept);
    this.#sent.clear();
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#connect(), this.#waitMs);
    this.#waitMs = Math.min(reconnectMs.most, this.#waitMs * 2);
  }
}
