import type { AmqpError } from 'rhea';
import { NotConnectedError } from '../../model/error.ts';
import { isTerminus } from './sender-link.ts';
import type { Wire } from './wire.ts';

/**
 * Whether a queue of RabbitMQ 3 exists: a receiver without credit is attached and detached at once. It takes no message. Resolves when
 * the queue is there (also when it is in exclusive use), or when nothing can be said; rejects with NotConnectedError when it is not.
 */
export function checkQueue(wire: Wire, queue: string, timeoutMs: number): Promise<void> {
  const session = wire.session();
  const receiver = session.open_receiver({ source: { address: queue }, credit_window: 0, autoaccept: false });
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = setTimeout(done, timeoutMs);
    const forget = wire.onLost(done);
    receiver.on('receiver_open', () => {
      if (isTerminus(receiver.source)) receiver.close();
    });
    receiver.on('receiver_error', () => {});
    receiver.on('receiver_close', () => {
      session.close();
      done();
    });
    session.on('session_error', () => {
      const { condition, description } = (session.error ?? {}) as AmqpError;
      if (condition !== 'amqp:not-found') return done();
      clearTimeout(timer);
      forget();
      reject(
        new NotConnectedError('hub-address', `There is no queue behind ${queue} at ${wire.at} (${description}).`, {
          retry: 'after-fix',
          hint: 'Declare the queue, or write /queue/NAME, which declares a durable one.',
        }),
      );
    });
    session.on('session_close', () => {});
  });
}
