import { describe, expect, test } from 'vitest';
import { addressTemplate } from '../delivery/template.ts';
import { type Broker, notationOf, queueToCheck, recognise, targetOptions, unroutable } from './broker.ts';

const rabbit = (major: number): Broker => ({ kind: 'rabbitmq', name: `RabbitMQ ${major}.0`, major });
const generic: Broker = { kind: 'generic', name: 'x', major: undefined };

test.for([
  {
    open: { container_id: 'rabbit@x', properties: { product: 'RabbitMQ', version: '3.10.8' } },
    kind: 'rabbitmq',
    name: 'RabbitMQ 3.10.8',
    major: 3,
  },
  {
    open: { properties: { product: 'apache-activemq-artemis', version: '2.40.0' } },
    kind: 'artemis',
    name: 'apache-activemq-artemis 2.40.0',
    major: 2,
  },
  { open: { container_id: 'ab12' }, host: 'plant.servicebus.windows.net', kind: 'servicebus', name: 'ab12', major: undefined },
  { open: { container_id: 'ab12' }, kind: 'generic', name: 'ab12', major: undefined },
  { open: {}, asked: 'eventhubs' as const, kind: 'eventhubs', name: 'unknown', major: undefined },
])('recognises $kind', ({ open, host = 'localhost', asked = 'auto' as const, kind, name, major }) => {
  expect(recognise(asked, host, open)).toEqual({ kind, name, major });
});

describe('addresses whose messages may be lost', () => {
  test.for([
    { broker: rabbit(3), address: '/topic/plant.#', lost: true },
    { broker: rabbit(3), address: '/exchange/x/key', lost: true },
    { broker: rabbit(3), address: '/queues/x', lost: true },
    { broker: rabbit(3), address: '/queue/x', lost: false },
    { broker: rabbit(3), address: '/amq/queue/x', lost: false },
    { broker: rabbit(3), address: 'x', lost: false },
    { broker: rabbit(4), address: '/exchanges/x/key', lost: false },
    { broker: rabbit(4), address: '/topic/x', lost: false },
    { broker: generic, address: '/topic/x', lost: false },
  ])('$broker.name $address: $lost', ({ broker, address, lost }) => {
    expect(unroutable(broker, address) !== undefined).toBe(lost);
  });

  test.for([
    { broker: rabbit(3), address: '/queue/a%2Fb', queue: '/amq/queue/a%2Fb' },
    { broker: rabbit(3), address: '/amq/queue/x', queue: '/amq/queue/x' },
    { broker: rabbit(3), address: 'bare', queue: '/amq/queue/bare' },
    { broker: rabbit(3), address: '/exchange/x/key', queue: undefined },
    { broker: rabbit(4), address: '/queues/x', queue: undefined },
    { broker: generic, address: 'x', queue: undefined },
  ])('the queue behind $address of $broker.name is $queue', ({ broker, address, queue }) => {
    expect(queueToCheck(broker, address)).toBe(queue);
  });
});

test('a queue that RabbitMQ declares is durable; Artemis is asked for a queue', () => {
  expect(targetOptions(rabbit(3), false)).toEqual({ durable: 2 });
  expect(targetOptions({ kind: 'artemis', name: 'a', major: 2 }, false)).toEqual({ capabilities: ['queue'] });
  expect(targetOptions({ kind: 'artemis', name: 'a', major: 2 }, true)).toEqual({});
  expect(targetOptions(generic, false)).toEqual({});
});

test.for([
  { broker: rabbit(3), address: '/queue/candyco.l%C3%BCbeck north.cooker-1' },
  { broker: rabbit(4), address: '/queue/candyco.l%C3%BCbeck%20north.cooker-1' },
  { broker: { kind: 'artemis', name: 'Artemis', major: 2 } as const, address: '/queue/candyco.lübeck north.cooker-1' },
  { broker: generic, address: '/queue/candyco/lübeck north.cooker-1' },
])('a path in an address of $broker.name', ({ broker, address }) => {
  const template = addressTemplate('/queue/{path}.{equipment}', notationOf(broker));
  const about = { equipment: 'cooker-1', path: 'candyco/lübeck north', message: 'm', priority: 'state' } as const;
  expect(template.fill({ gateway: 'g', source: '/s' }, about)).toBe(address);
});
