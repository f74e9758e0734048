/** The retained message that says whether a gateway is there. */
export interface Status {
  readonly topic: string;
  online(nowMs: number): Uint8Array;
  /** On a clean stop. */
  offline(nowMs: number): Uint8Array;
  /** What the broker publishes when the link breaks; without the time of that, which nobody knows beforehand. */
  readonly will: Uint8Array;
}

/** `bootMs`: start of this process. Who sees another boot time knows that the gateway restarted. */
export function statusOf(topic: string, gateway: string, bootMs: number): Status {
  const boot = new Date(bootMs).toISOString();
  const body = (state: 'online' | 'offline', more: object): Uint8Array => Buffer.from(JSON.stringify({ gateway, state, boot, ...more }));
  return {
    topic,
    online: (nowMs) => body('online', { since: new Date(nowMs).toISOString() }),
    offline: (nowMs) => body('offline', { since: new Date(nowMs).toISOString(), reason: 'stopped' }),
    will: body('offline', { reason: 'link lost' }),
  };
}
