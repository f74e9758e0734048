import { setImmediate as turn } from 'node:timers/promises';
import type { Delivery, Message, Receiver } from 'rhea';
import type { HubCore } from '../core/contract.ts';
import { RequestError, type RequestErrorKind } from '../core/request-error.ts';
import { deviceOf } from '../service/messages.ts';
import { commandOf } from './message.ts';

interface Outcome {
  readonly condition: string;
  readonly description: string;
}

const conditions: Partial<Readonly<Record<RequestErrorKind, string>>> = {
  DeviceNotFound: 'amqp:not-found',
  DeviceMaximumQueueDepthExceeded: 'amqp:resource-limit-exceeded',
  MessageTooLarge: 'amqp:link:message-size-exceeded',
  ArgumentInvalid: 'amqp:not-allowed',
};

/** Messages to devices: each is accepted when it is on disk, or rejected with the reason. */
export function serveCommands(receiver: Receiver, core: HubCore): void {
  let settled: Promise<unknown> = Promise.resolve();
  receiver.on('message', ({ message, delivery }: { message?: Message; delivery?: Delivery }) => {
    if (!delivery) return;
    const outcome = message ? enqueue(core, message) : Promise.resolve(undefined);
    // The library sends the first outcome for all that are settled in one turn: each gets a turn of its own.
    settled = settled.then(async () => {
      const refused = await outcome;
      if (!receiver.is_open()) return;
      if (refused) delivery.reject(refused);
      else delivery.accept();
      await turn();
    });
  });
}

/** Undefined when it is on disk. */
async function enqueue(core: HubCore, message: Message): Promise<Outcome | undefined> {
  try {
    const command = commandOf(message);
    if (!command) return { condition: 'amqp:not-allowed', description: 'the body of a message to a device is bytes or text' };
    await core.messages.enqueue(deviceOf(message.to ?? ''), command);
    return undefined;
  } catch (error) {
    const condition = error instanceof RequestError ? conditions[error.errorName as RequestErrorKind] : undefined;
    return { condition: condition ?? 'amqp:internal-error', description: error instanceof RequestError ? error.message : 'the hub failed' };
  }
}
