import rhea, { type Connection, type Container, type Delivery, type Receiver, type Session } from 'rhea';

export type { Connection, Container, Delivery, Receiver, Session };
/** rhea, behind one door: what it lacks and where it must be held differently is said here. */
export { rhea };

/** What an event of rhea carries; which fields depends on the event. */
export interface EventContext {
  readonly connection: Connection;
  readonly session?: Session;
  readonly receiver?: Receiver;
  readonly sender?: { close(error?: AmqpError): void; readonly error?: AmqpError };
  readonly delivery?: Delivery;
  /** The bytes of the message; see `receiveRaw`. */
  readonly message?: unknown;
  readonly error?: Error & Partial<AmqpError>;
}

/** An error as the peer wrote it. */
export interface AmqpError {
  readonly condition?: string;
  readonly description?: string;
}

interface TransferFrame {
  payload?: Buffer;
  readonly performative: { message_format: number; readonly more?: boolean; readonly aborted?: boolean; readonly handle: number };
}

/** A message format of our own: rhea decodes format 0 and hands everything else over as bytes. */
const raw = 1;

export interface RawOptions {
  /** Most bytes of one message; `tooLarge` is called instead of taking more. */
  readonly maxMessageBytes: number;
  readonly tooLarge: (sizeBytes: number) => void;
}

const nothing = Buffer.alloc(0);

/**
 * From now on messages of this session arrive as bytes. rhea's own decoding drops the types (decimals, UUIDs and large integers
 * all become buffers), and a message that it cannot decode ends the whole connection, again and again.
 * A transfer that its sender aborted half-way (part 2 §2.7.5) is emitted as an empty message, which `isAborted` tells.
 */
export function receiveRaw(session: Session, receiver: Receiver, { maxMessageBytes, tooLarge }: RawOptions): { isAborted(): boolean } {
  const inner = session as unknown as { on_transfer(frame: TransferFrame): void };
  const granting = receiver as unknown as { credit: number };
  const take = inner.on_transfer;
  /** Bytes so far of messages that come in several frames, by their link. */
  const partial = new Map<number, number>();
  let aborted = false;
  inner.on_transfer = (frame) => {
    const { performative } = frame;
    performative.message_format = raw;
    frame.payload ??= nothing;
    aborted = performative.aborted === true;
    const sizeBytes = (partial.get(performative.handle) ?? 0) + frame.payload.length;
    if (sizeBytes > maxMessageBytes) {
      tooLarge(sizeBytes);
      return;
    }
    if (performative.more && !aborted) partial.set(performative.handle, sizeBytes);
    else if (partial.size > 0) partial.delete(performative.handle);
    // RabbitMQ 3 counts what is on its way twice and sends more than was granted; rhea then writes a line to stderr for each message.
    if (granting.credit <= 0) granting.credit = 1;
    take.call(session, frame);
  };
  return { isAborted: () => aborted };
}

/** Tells when nothing was heard for twice `idle_time_out`, a second before rhea gives up by itself and without saying why. */
export function watchSilence(connection: Connection, silent: () => void): void {
  const inner = connection as unknown as { idle(): void };
  const giveUp = inner.idle;
  inner.idle = () => {
    silent();
    giveUp.call(connection);
  };
}

/** Handlers for everything that rhea emits as `error` on its container when nobody listens, which would end the process. */
export function surviveErrors(connection: Connection, container: Container): void {
  const survive = (): void => {};
  for (const event of ['error', 'protocol_error', 'connection_error', 'session_error', 'receiver_error', 'sender_error'] as const)
    connection.on(event, survive);
  for (const event of ['error', 'disconnected'] as const) container.on(event, survive);
}
