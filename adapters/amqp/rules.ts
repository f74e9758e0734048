import type { RuleCatalogue } from '../../mappings/rules.ts';

/** What `dragoman check` may say about AMQP mappings, for the docs. Rules of messages as such (`payload-…`) are described with them. */
export const rules: RuleCatalogue = {
  'amqp-address': {
    title: 'A point without an address',
    meaning: 'Messages come from a queue or topic of the broker, or arrive at an address that machines send to. Every point needs one.',
    cause: 'Neither the connection nor the point names an `address`.',
    cure: 'Write `address` at the connection, where all points share it, or at the point.',
    example: 'connection: { adapter: amqp, host: 10.20.0.5, address: /queue/press-7 }',
  },
  'amqp-host-or-listen': {
    title: 'Broker and listener',
    meaning:
      '`host` is a broker that the gateway connects to; with `listen` machines connect to the gateway. A connection is one of the two.',
    cause: 'Both or neither were written.',
    cure: 'Keep the one that is meant.',
    example: 'connection: { adapter: amqp, listen: { host: 10.20.0.2, users: { press-7: { file: ./secrets/press-7 } } } }',
  },
  'amqp-login': {
    title: 'A login that cannot work',
    meaning:
      'sasl: plain needs user and password, sasl: external a certificate with its key. A listener needs someone who may log in: users, certificates, or anonymous: true.',
    cause: 'A part was left out.',
    cure: 'Add the part that the message names. Passwords and keys are references, { file: … } or { env: … }.',
    example: 'user: gateway, password: { file: ./secrets/broker }',
  },
  'amqp-listen': {
    title: 'A key for brokers where the gateway listens',
    meaning: 'Port and TLS of a listener stand under `listen`; how to log in, selectors and durable subscriptions concern brokers only.',
    cause: 'A connection to a broker was turned into a listener and keys stayed.',
    cure: 'Move the key under `listen`, or leave it out.',
    example: 'port: 5673     # listen: { port: 5673 }',
  },
  port: {
    title: 'Impossible TCP port',
    meaning: 'Ports are 1 to 65535; AMQP has 5672, and 5671 over TLS.',
    cause: 'A typing error.',
    cure: 'Leave `port` out for the usual one.',
  },
};
