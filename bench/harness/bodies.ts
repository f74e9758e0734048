import { setTimeout as sleep } from 'node:timers/promises';
import { connectAsync } from 'mqtt';
import type { RabbitEnd } from './brokers.ts';

/** What a gateway sent: the bare sender sends the same. */
export interface Body {
  /** Empty where the protocol has none. */
  readonly topic: string;
  readonly text: string;
  readonly readings: number;
}

/** Enough that no two that follow each other are the same, few enough for memory. */
export const bodiesWanted = 64;

export const readingsIn = (text: string): number => text.split('{"point":').length - 1;

/** The first messages with readings that come to this broker while `meanwhile` runs. */
export async function takeFromMqtt(port: number, meanwhile: () => Promise<AsyncDisposable>): Promise<Body[]> {
  const bodies: Body[] = [];
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
  client.on('message', (topic, payload) => {
    if (bodies.length < bodiesWanted) keep(bodies, topic, payload);
  });
  await client.subscribeAsync('#', { qos: 0 });
  await using _running = await meanwhile();
  await until(() => bodies.length >= bodiesWanted);
  await client.endAsync();
  return bodies;
}

/** What is in this queue while `meanwhile` runs, taken out of it. */
export async function takeFromQueue({ channel }: RabbitEnd, queue: string, meanwhile: () => Promise<AsyncDisposable>): Promise<Body[]> {
  const bodies: Body[] = [];
  await using _running = await meanwhile();
  await until(async () => {
    const message = await channel.get(queue, { noAck: true });
    if (message) keep(bodies, '', message.content);
    return bodies.length >= bodiesWanted;
  });
  return bodies;
}

function keep(bodies: Body[], topic: string, payload: Buffer): void {
  const text = payload.toString('utf8');
  const readings = readingsIn(text);
  if (readings > 0) bodies.push({ topic, text, readings });
}

async function until(enough: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + 30_000; !(await enough()); await sleep(1)) {
    if (performance.now() > endMs) throw new Error(`fewer than ${bodiesWanted} messages came within 30 s`);
  }
}
