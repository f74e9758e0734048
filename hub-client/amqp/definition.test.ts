import { describe, expect, test } from 'vitest';
import { amqp } from './definition.ts';

const plain = { url: 'amqp://broker', address: '/queue/plant', user: 'gw', password: { file: 'p' } };

describe('settings', () => {
  test('have sensible values where nothing is written', () => {
    expect(amqp.settings.parse(plain)).toEqual({
      ...plain,
      broker: 'auto',
      allowUnroutable: false,
      checkQueueEvery: 30_000,
      compression: 'none',
      tokenLifetime: 3_600_000,
      idleTimeout: 20_000,
      connectTimeout: 30_000,
      ackTimeout: 60_000,
      window: 16,
      maxMessage: 240_000,
      maxLinks: 64,
      closeLinkAfter: 300_000,
    });
  });

  test.for([
    { given: { ...plain, password: 'geheim' }, problem: 'say where the password is kept' },
    { given: { ...plain, url: 'amqp://gw:pw@broker' }, problem: 'amqp://HOST[:PORT]' },
    { given: { ...plain, url: 'mqtt://broker' }, problem: 'amqp://HOST[:PORT]' },
    { given: { url: 'amqp://broker', address: 'q' }, problem: 'say how we log in' },
    { given: { ...plain, address: undefined }, problem: 'name the queue or address' },
    { given: { ...plain, address: '/queue/{machine}' }, problem: '{machine} is not a placeholder' },
    { given: { ...plain, password: undefined }, problem: 'a user needs a password' },
    { given: { ...plain, sasl: 'external' }, problem: 'external needs certificate' },
    { given: { ...plain, ca: 'ca.pem' }, problem: 'a certificate needs TLS' },
    { given: { ...plain, certificate: 'c.pem' }, problem: 'a certificate needs its private key' },
    { given: {}, problem: 'name the broker' },
    { given: { connectionString: { file: 's' }, url: 'amqp://broker' }, problem: 'the connection string names the host already' },
    { given: { connectionString: { file: 's' }, sasl: 'anonymous' }, problem: 'leave this out' },
    { given: { ...plain, user: undefined, password: undefined, sasl: 'plain' }, problem: 'plain needs user and password' },
    { given: { ...plain, queue: 'x' }, problem: 'queue' },
  ])('$problem', ({ given, problem }) => {
    const read = amqp.settings.safeParse(given);
    expect(read.error?.issues.map(({ message }) => message).join('\n')).toContain(problem);
  });
});

test.for([
  { given: plain, where: 'AMQP, broker, /queue/plant' },
  { given: { ...plain, url: 'amqps://broker:5671/' }, where: 'AMQP, broker:5671, /queue/plant' },
  { given: { connectionString: { file: 's' } }, where: 'AMQP, Service Bus' },
])('$where', ({ given, where }) => {
  expect(amqp.where?.(amqp.settings.parse(given))).toBe(where);
});
