import type { RoutedMessage } from '../../../deployments/contract.ts';
import type { ModuleInputs } from '../../../hub/core/contract.ts';
import { GatewayError } from '../../../model/error.ts';
import { Budget } from './budget.ts';
import type { UpstreamSender } from './contract.ts';
import { inputMessage } from './message-form.ts';
import { Turns } from './turns.ts';

/**
 * What became of one try. `away`: the receiver is not there, and its coming back will be told; `later`: tried again with back-off; `refused`: it
 * will never take this message.
 */
export type Outcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'away' }
  | { readonly kind: 'later'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** The far end of a queue. */
export interface Outlet {
  /** How many messages of one queue may be under way at once. */
  readonly window: number;
  readonly budget: Budget;
  /** Shared by the queues that lead to the same place. */
  readonly turns: Turns;
  /** Never rejects. */
  send(message: RoutedMessage, id: string): Promise<Outcome>;
}

export type InputHandler = (message: RoutedMessage, id: string) => Promise<void>;

const taken: Outcome = { kind: 'taken' };
const away: Outcome = { kind: 'away' };

/** Well below what a connection lets a client leave unread before it hangs up, with one large message more. */
export const moduleBudgetBytes = 384 * 1024;
/** Of each module. */
const upstreamBudgetBytes = 1024 * 1024;

/** The input of a module that is connected by MQTT; all inputs of one module share its budget. */
export function moduleOutlet(inputs: ModuleInputs, deviceId: string, module: string, input: string, budget: Budget): Outlet {
  return {
    window: 64,
    budget,
    turns: new Turns(),
    async send(message) {
      const { connectionDeviceId = deviceId, connectionModuleId } = message.system;
      const sender = { deviceId: connectionDeviceId, moduleId: connectionModuleId };
      try {
        const acknowledged = await inputs.send({ deviceId, moduleId: module }, input, inputMessage(message), sender);
        return acknowledged ? taken : away;
      } catch (error) {
        // Properties that make a topic longer than MQTT can write.
        return { kind: 'refused', reason: (error as Error).message };
      }
    },
  };
}

/** For the messages of one module: each has its own way, and none waits behind another whose way is blocked. */
export function upstreamOutlet(upstream: UpstreamSender, turns: Turns): Outlet {
  return {
    window: 16,
    budget: new Budget(upstreamBudgetBytes),
    turns,
    async send(message, id) {
      if (message.body.length > upstream.maxBodyBytes) {
        return { kind: 'refused', reason: `the body has ${message.body.length} bytes; upstream takes ${upstream.maxBodyBytes}` };
      }
      return tried(() => upstream.send(message, id));
    },
  };
}

/** An input that this process serves itself; away until somebody says `onInput`. One message at a time: the next one when its handler is done. */
export function handledOutlet(handlerOf: () => InputHandler | undefined): Outlet {
  return {
    window: 1,
    budget: new Budget(upstreamBudgetBytes),
    turns: new Turns(),
    async send(message, id) {
      const handler = handlerOf();
      return handler ? tried(() => handler(message, id)) : away;
    },
  };
}

async function tried(work: () => Promise<void>): Promise<Outcome> {
  try {
    await work();
    return taken;
  } catch (error) {
    const never = error instanceof GatewayError && error.retry === 'never';
    return { kind: never ? 'refused' : 'later', reason: (error as Error).message };
  }
}
