import type { StrictPeer } from './strict-peer.ts';
import { ridOf } from './twin-script.ts';

/** One answer: a body, or a status with a body and a wait. */
export interface DpsAnswer {
  readonly status?: number;
  readonly retryAfter?: number | string;
  readonly body: unknown;
}

export const assigning: DpsAnswer = { status: 202, retryAfter: 0, body: { operationId: '4.op/1', status: 'assigning' } };

export const assigned = (hub: string, deviceId: string): DpsAnswer => ({
  body: {
    operationId: '4.op/1',
    status: 'assigned',
    registrationState: { registrationId: deviceId, assignedHub: hub, deviceId, status: 'assigned', substatus: 'initialAssignment' },
  },
});

/** Answers requests of a registration, the last answer again and again. */
export function serveDps(peer: StrictPeer, answers: readonly DpsAnswer[]): void {
  const left = [...answers];
  peer.script.published = ({ topic }, client) => {
    if (!topic.startsWith('$dps/registrations/')) return;
    const next = left.length > 1 ? left.shift() : left[0];
    if (!next) return;
    const wait = next.retryAfter === undefined ? '' : `&retry-after=${next.retryAfter}`;
    const body = typeof next.body === 'string' ? next.body : JSON.stringify(next.body);
    client.publish(`$dps/registrations/res/${next.status ?? 200}/?$rid=${ridOf(topic)}${wait}`, body);
  };
}
