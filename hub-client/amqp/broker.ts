/** Kinds of brokers whose addresses and answers mean something of their own. */
export const brokers = ['rabbitmq', 'artemis', 'servicebus', 'eventhubs', 'generic'] as const;
export type BrokerKind = (typeof brokers)[number];

/** Who answered. */
export interface Broker {
  readonly kind: BrokerKind;
  /** As it calls itself: `RabbitMQ 3.10.8`; its container id when it says no more. */
  readonly name: string;
  /** First number of the version; undefined when it is not told. */
  readonly major: number | undefined;
}

/** Recognises a broker by the properties of its open frame; `asked` is what the settings say. */
export function recognise(asked: BrokerKind | 'auto', host: string, open: { container_id?: unknown; properties?: unknown }): Broker {
  const { product, version } = (open.properties ?? {}) as { product?: unknown; version?: unknown };
  const known = typeof product === 'string' ? product : undefined;
  const name = known === undefined ? String(open.container_id ?? 'unknown') : `${known}${version === undefined ? '' : ` ${version}`}`;
  const major = /^(\d+)/.exec(String(version ?? ''))?.[1];
  return { kind: asked === 'auto' ? kindOf(known, host) : asked, name, major: major === undefined ? undefined : Number(major) };
}

function kindOf(product: string | undefined, host: string): BrokerKind {
  if (product === 'RabbitMQ') return 'rabbitmq';
  if (product !== undefined && /artemis/i.test(product)) return 'artemis';
  return /\.servicebus\.(windows\.net|chinacloudapi\.cn|usgovcloudapi\.net)$/i.test(host) ? 'servicebus' : 'generic';
}

/** RabbitMQ up to 3.13 answers "accepted" also for a message that no queue took; from 4 on it answers "released". */
const acceptsUnroutable = ({ kind, major }: Broker): boolean => kind === 'rabbitmq' && (major ?? 3) < 4;

/** Why messages to this address must not count as delivered, or undefined when they may. */
export function unroutable(broker: Broker, address: string): { readonly problem: string; readonly hint: string } | undefined {
  if (!acceptsUnroutable(broker)) return undefined;
  if (/^\/(queues|exchanges)\//.test(address)) {
    return {
      problem: `"${address}" is an address of RabbitMQ 4, and this is ${broker.name}`,
      hint: 'Write /queue/NAME here: it declares a durable queue when there is none. For a queue with arguments of its own (quorum, a limit): /amq/queue/NAME.',
    };
  }
  if (!/^\/(topic|exchange|temp-queue|reply-queue)\//.test(address)) return undefined;
  return {
    problem: `${broker.name} says "accepted" for "${address}" also when no queue is bound to it, and the message is lost`,
    hint: 'Write /queue/NAME, or /amq/queue/NAME for a queue that exists. If a queue is bound for certain and the loss is acceptable when it is not: allowUnroutable: true.',
  };
}

/**
 * The queue whose existence only a second link can tell, or undefined. RabbitMQ 3 takes a sender to `/amq/queue/NAME` whether the queue is
 * there or not, and goes on taking messages after any queue was deleted.
 */
export function queueToCheck(broker: Broker, address: string): string | undefined {
  if (!acceptsUnroutable(broker)) return undefined;
  const name = /^\/(?:amq\/)?queue\/(.+)$/.exec(address)?.[1] ?? (address.startsWith('/') ? undefined : address);
  return name === undefined ? undefined : `/amq/queue/${name}`;
}

/** What the target asks for, beside its address. */
export function targetOptions({ kind }: Broker, allowUnroutable: boolean): Readonly<Record<string, unknown>> {
  // RabbitMQ 3 declares `/queue/NAME` by it: without, the queue would not survive a restart of the broker.
  if (kind === 'rabbitmq') return { durable: 2 };
  // Artemis: a multicast address without a subscriber takes a message and drops it; a queue keeps it.
  if (kind === 'artemis' && !allowUnroutable) return { capabilities: ['queue'] };
  return {};
}

/** How a value is written inside an address, and what stands between the levels of a path. */
export function notationOf({ kind, major }: Broker): { readonly escape: (value: string) => string; readonly separator: string } {
  if (kind === 'rabbitmq') return { escape: (major ?? 3) < 4 ? asRabbit3 : encodeURIComponent, separator: '.' };
  if (kind === 'artemis') return { escape: (value) => value.replace(/[.#*:]/g, '_'), separator: '.' };
  return { escape: (value) => value, separator: '/' };
}

/** It decodes %2F and takes every other escape as part of the name; letters beyond ASCII it spoils, so these stay escaped. */
const asRabbit3 = (value: string): string => value.replace(/[^\x20-\x7e]|\//gu, encodeURIComponent);

/** Order across the partitions of these is kept only for messages with the same key. */
export const partitioned = (kind: BrokerKind): boolean => kind === 'servicebus' || kind === 'eventhubs';
