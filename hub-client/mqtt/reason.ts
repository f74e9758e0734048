import { GatewayError, NotConnectedError, type RetryAdvice } from '../../model/error.ts';
import { clockHint } from '../delivery/unreachable.ts';

interface Reason {
  readonly means: string;
  readonly code: string;
  readonly retry: RetryAdvice;
  readonly hint?: string;
}

const throttled = {
  code: 'hub-throttled',
  retry: 'with-backoff',
  hint: 'Compare the message rate with the limits of the broker.',
} as const;
const credentials = 'Check user, password and client certificate, and that the broker knows them.';
const rights = 'Ask for the right to publish to the topics of this gateway, its status topic included.';

/** Reason codes of MQTT 5.0 §2.4 that an operator can do something about, or that say when to try again. */
const reasons: Readonly<Record<number, Reason>> = {
  128: { means: 'an error it does not name', code: 'hub-refused', retry: 'with-backoff' },
  131: { means: 'an error of its own', code: 'hub-refused', retry: 'with-backoff' },
  132: { means: 'it does not speak this version of MQTT', code: 'hub-protocol', retry: 'after-fix', hint: 'Write version: auto.' },
  133: {
    means: 'it does not take this client id',
    code: 'hub-client-id',
    retry: 'after-fix',
    hint: 'Set clientId: in the settings of the hub.',
  },
  134: { means: 'user name or password are wrong', code: 'hub-credentials', retry: 'after-fix', hint: credentials },
  135: { means: 'not authorized', code: 'hub-not-authorized', retry: 'after-fix', hint: rights },
  136: { means: 'it is not available now', code: 'hub-unavailable', retry: 'with-backoff' },
  137: { means: 'it is busy', ...throttled },
  138: { means: 'this client is banned', code: 'hub-not-authorized', retry: 'after-fix', hint: 'Ask the administrator of the broker.' },
  139: { means: 'it is shutting down', code: 'hub-unavailable', retry: 'with-backoff' },
  140: { means: 'it wants another way of authentication', code: 'hub-credentials', retry: 'after-fix', hint: credentials },
  141: { means: 'it heard nothing from us for too long', code: 'hub-link-lost', retry: 'with-backoff' },
  142: {
    means: 'another client connected with the same client id',
    code: 'hub-taken-over',
    retry: 'after-fix',
    hint: 'Each client of a broker needs an id of its own: set clientId: in one of them. A second gateway with a copied configuration looks like this.',
  },
  144: { means: 'it does not take this topic', code: 'message-topic', retry: 'never', hint: 'Check topic: in the settings of the hub.' },
  145: { means: 'it holds the packet id for in use', code: 'hub-refused', retry: 'with-backoff' },
  147: { means: 'we sent more at once than it allows', code: 'hub-refused', retry: 'with-backoff' },
  149: { means: 'the packet is too large', code: 'message-too-large', retry: 'never', hint: 'Set maxMessage: to what the broker takes.' },
  150: { means: 'the message rate is too high', ...throttled },
  151: { means: 'a quota is used up', ...throttled },
  152: { means: 'its administrator ended the connection', code: 'hub-closed', retry: 'with-backoff' },
  153: { means: 'the payload is not what its format says', code: 'message-format', retry: 'never' },
  154: { means: 'it keeps no retained messages', code: 'hub-retain', retry: 'after-fix', hint: 'Write retain: false and status: false.' },
  155: { means: 'it does not support QoS 1', code: 'hub-qos', retry: 'after-fix', hint: 'A broker without QoS 1 cannot confirm messages.' },
  156: { means: 'another server is to be used', code: 'hub-moved', retry: 'after-fix', hint: 'Change url: to the server it names.' },
  157: { means: 'the server has moved', code: 'hub-moved', retry: 'after-fix', hint: 'Change url: to the server it names.' },
  159: { means: 'too many connections in a short time', ...throttled },
};

/** Return codes of a CONNACK of MQTT 3.1.1 §3.2.2.3 as reason codes. */
const fromVersion4: Readonly<Record<number, number>> = { 1: 132, 2: 133, 3: 136, 4: 134, 5: 135 };

export interface Answer {
  readonly reasonCode: number;
  /** Words of the broker, MQTT 5 only. */
  readonly reasonString?: string | undefined;
  readonly serverReference?: string | undefined;
}

const unknown: Reason = { means: 'a reason we do not know', code: 'hub-refused', retry: 'with-backoff' };

function say(start: string, packet: string, { reasonCode, reasonString, serverReference }: Answer): { text: string; reason: Reason } {
  const reason = reasons[reasonCode] ?? unknown;
  const words = reasonString ? `, "${reasonString}"` : '';
  const server = serverReference ? `; it names ${serverReference}` : '';
  return { text: `${start}: ${reason.means} (${packet} ${reasonCode}${words})${server}.`, reason };
}

/** A CONNACK other than 0. NotConnectedError where waiting may help, else GatewayError `after-fix`. */
export function refusal(answer: Answer, at: string, clientId: string, usedTls: boolean): GatewayError {
  const reasonCode = fromVersion4[answer.reasonCode] ?? answer.reasonCode;
  const { text, reason } = say(`The broker ${at} refused client "${clientId}"`, 'CONNACK', { ...answer, reasonCode });
  if (reason.retry === 'with-backoff') return new NotConnectedError(reason.code, text, { retry: reason.retry });
  const hint = reason.code === 'hub-not-authorized' ? credentials : (reason.hint ?? '');
  const clock = usedTls && reason.code === 'hub-credentials' ? ` ${clockHint(Date.now())}` : '';
  return new GatewayError(reason.code, text, { retry: 'after-fix', hint: `${hint}${clock}` });
}

/** A DISCONNECT of the broker (MQTT 5.0 §3.14): the end of the session, with the advice that fits. */
export function disconnected(answer: Answer, at: string): NotConnectedError {
  const { text, reason } = say(`The broker ${at} ended the connection`, 'DISCONNECT', answer);
  return notConnected(reason, text);
}

/**
 * A PUBACK of 0x80 or more: NotConnectedError when the session should end over it and the message go again later,
 * GatewayError `never` when the broker will not take this message.
 */
export function refusedMessage(answer: Answer, topic: string, at: string): GatewayError {
  const { text, reason } = say(`The broker ${at} refused a message to ${topic}`, 'PUBACK', answer);
  if (reason.retry !== 'never') return notConnected(reason, text);
  return new GatewayError(reason.code, text, { retry: 'never', ...(reason.hint ? { hint: reason.hint } : {}) });
}

/** A SUBACK of 0x80 or more. */
export function refusedSubscription(reasonCode: number, filter: string, at: string): GatewayError {
  const { text } = say(`The broker ${at} refused the subscription to ${filter}`, 'SUBACK', { reasonCode });
  return new GatewayError('hub-not-authorized', text, { retry: 'after-fix', hint: `Ask for the right to subscribe to ${filter}.` });
}

function notConnected({ code, retry, hint }: Reason, text: string): NotConnectedError {
  // A link that ended over one message can be opened again at once; what is wrong with the message is told with the message.
  return new NotConnectedError(code, text, { retry: retry === 'never' ? 'with-backoff' : retry, ...(hint ? { hint } : {}) });
}
