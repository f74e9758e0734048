import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { Broker } from './broker.ts';

/** How the other side ended a delivery (part 3 §3.4), as plain values. */
export type Outcome =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'rejected'; readonly condition: string | undefined; readonly description: string | undefined }
  | { readonly kind: 'released' }
  | { readonly kind: 'modified'; readonly undeliverableHere: boolean }
  /** Settled without an outcome. */
  | { readonly kind: 'none' };

/**
 * - `taken`: the message is delivered
 * - `again`: the broker did not process it; it may go once more on this link
 * - `refused`: this message alone will never be taken
 * - `over`: nothing will be taken now; the session ends, everything goes again later
 */
export type Verdict =
  | { readonly kind: 'taken' | 'again' }
  | { readonly kind: 'refused'; readonly error: GatewayError }
  | { readonly kind: 'over'; readonly error: NotConnectedError };

/** Conditions that speak of the broker's state and not of the message: wait, and pace down. */
const throttling = new Set([
  'amqp:resource-limit-exceeded',
  'com.microsoft:server-busy',
  'com.microsoft:entity-quota-exceeded',
  'com.microsoft:resource-limit-exceeded',
]);
/** It did not work this time. */
const passing = new Set([
  'com.microsoft:timeout',
  'com.microsoft:operation-cancelled',
  'com.microsoft:partition-not-owned',
  'amqp:internal-error',
  'amqp:connection:forced',
  'amqp:link:detach-forced',
  'failed',
]);
/** Somebody must change something on the broker or in our settings. */
const ours = new Set([
  'amqp:unauthorized-access',
  'amqp:not-found',
  'amqp:resource-deleted',
  'amqp:resource-locked',
  'amqp:not-allowed',
  'com.microsoft:entity-disabled',
  'com.microsoft:auth-failed',
  'com.microsoft:publisher-revoked',
]);

/** What an outcome means for the message and for the session; `where` is `ADDRESS at HOST:PORT`. */
export function judge(outcome: Outcome, broker: Broker, where: string): Verdict {
  switch (outcome.kind) {
    case 'accepted':
      return { kind: 'taken' };
    case 'released':
    case 'none':
      return { kind: 'again' };
    case 'modified':
      if (!outcome.undeliverableHere) return { kind: 'again' };
      return refused('it can never be delivered there (modified, undeliverable-here)', where);
    case 'rejected':
      return judgeRejection(outcome, broker, where);
  }
}

function judgeRejection(rejected: Outcome & { kind: 'rejected' }, { kind, name }: Broker, where: string): Verdict {
  const { condition, description } = rejected;
  const words = `${condition ?? 'no condition'}${description ? `: ${description}` : ''}`;
  const text = `${where} rejected a message (${words})`;
  if (condition !== undefined && throttling.has(condition)) return { kind: 'over', error: throttled(text) };
  // A RabbitMQ that rejects gives no condition: a queue is full (overflow reject-publish) or has lost its leader. No message is at fault.
  if (kind === 'rabbitmq' && condition === undefined) {
    return { kind: 'over', error: throttled(text, `${name} does this when a queue is at its limit and set to reject-publish.`) };
  }
  if (condition !== undefined && passing.has(condition)) {
    return { kind: 'over', error: new NotConnectedError('hub-busy', `${text}.`, { retry: 'with-backoff' }) };
  }
  if (condition !== undefined && ours.has(condition)) {
    const hint = 'Check the address, and what this user or policy may do (it needs the right to send).';
    return { kind: 'over', error: new NotConnectedError('hub-address', `${text}.`, { retry: 'after-fix', hint }) };
  }
  return refused(words, where);
}

const throttled = (text: string, hint = 'Compare the rate of messages with what the broker and its plan allow.'): NotConnectedError =>
  new NotConnectedError('hub-throttled', `${text}.`, { retry: 'with-backoff', hint });

const refused = (why: string, where: string): Verdict => ({
  kind: 'refused',
  error: new GatewayError('hub-rejected', `${where} will never take this message: ${why}.`, { retry: 'never' }),
});

/** A message was given back more often than we try. */
export function givenBack(times: number, { kind, name, major }: Broker, where: string): NotConnectedError {
  const hint =
    kind === 'rabbitmq' && (major ?? 3) >= 4
      ? `${name} releases a message that no queue takes: bind a queue to this address, or declare it.`
      : 'The broker has nowhere to put it: no consumer, no queue behind the address, or no room.';
  return new NotConnectedError('hub-unroutable', `${where} gave a message back ${times} times without taking it.`, {
    retry: 'after-fix',
    hint,
  });
}
