import { connect } from 'node:net';
import { MqttClient } from 'mqtt';
import { datatypes, decodePayload, encodePayload, type Metric } from '../../../encodings/sparkplug/payload.ts';
import { namespace } from '../sparkplug/topic.ts';

export interface EdgeNodeOptions {
  readonly host?: string;
  readonly port: number;
  readonly group?: string;
  readonly node?: string;
  /** Metrics of the node at its birth; with aliases, data carries these alone. */
  readonly metrics: readonly Metric[];
  /** Metrics of its devices. */
  readonly devices?: Readonly<Record<string, readonly Metric[]>>;
  /** Number of this connection (Sparkplug 3.0 §6.4.5); 0 by default. */
  readonly bdSeq?: number;
  /** Answers rebirth requests; true by default. */
  readonly answersRebirth?: boolean;
  /** Publishes its births by itself after the connect; true by default. */
  readonly bornAtOnce?: boolean;
}

/** A Sparkplug edge node that does what it is told, also what it should not. */
export interface EdgeNode extends AsyncDisposable {
  /** Rebirth requests so far. */
  readonly requests: number;
  /** NBIRTH, and DBIRTH of each device. */
  birth(): void;
  /** NDATA, or DDATA of a device, with the next sequence number. */
  data(metrics: readonly Metric[], device?: string): void;
  /** The next `count` messages get lost on the way: their numbers are used up. */
  lose(count: number): void;
  deviceDeath(device: string): void;
  /** NDEATH with any bdSeq. */
  death(bdSeq: number): void;
  /** Resolves at the next rebirth request. */
  asked(): Promise<void>;
  /** The connection breaks; the broker publishes the will. */
  vanish(): void;
}

/** Connects to a broker and is born. */
export async function startEdgeNode(options: EdgeNodeOptions): Promise<EdgeNode> {
  const { host = '127.0.0.1', port, group = 'leeds', node = 'press-7', devices = {}, bdSeq = 0 } = options;
  const topic = (type: string, device?: string): string =>
    `${namespace}/${group}/${type}/${node}${device === undefined ? '' : `/${device}`}`;
  const now = (): bigint => BigInt(Date.now());
  const number = (value: number): Metric => ({ name: 'bdSeq', datatype: datatypes.Int64, value: BigInt(value) });
  const will = {
    topic: topic('NDEATH'),
    payload: Buffer.from(encodePayload({ metrics: [number(bdSeq)] })),
    qos: 1,
    retain: false,
  } as const;
  const socket = connect({ host, port, noDelay: true });
  const client = new MqttClient((() => socket) as never, {
    protocolVersion: 4,
    clientId: `${group}-${node}`,
    clean: true,
    keepalive: 10,
    reconnectPeriod: 0,
    will,
    log: () => {},
  });
  client.on('error', () => {});
  let seq = 0;
  let requests = 0;
  let wake = Promise.withResolvers<void>();
  const next = (): bigint => BigInt(seq++ & 0xff);
  const send = (type: string, metrics: readonly Metric[], device?: string): void => {
    const isBirth = type.endsWith('BIRTH');
    // What a birth said, data leaves out (Sparkplug 3.0 §6.4.6).
    const sent = isBirth ? metrics : metrics.map((metric) => (metric.alias === undefined ? metric : withoutName(metric)));
    const bytes = encodePayload({ timestamp: now(), seq: next(), metrics: sent }, { datatypes: isBirth });
    client.publish(topic(type, device), Buffer.from(bytes), { qos: 0 });
  };
  const edge: EdgeNode = {
    get requests() {
      return requests;
    },
    birth() {
      seq = 0;
      const rebirth: Metric = { name: 'Node Control/Rebirth', datatype: datatypes.Boolean, value: false };
      send('NBIRTH', [number(bdSeq), rebirth, ...options.metrics]);
      for (const [device, metrics] of Object.entries(devices)) send('DBIRTH', metrics, device);
    },
    data: (metrics, device) => send(device === undefined ? 'NDATA' : 'DDATA', metrics, device),
    lose(count) {
      seq += count;
    },
    deviceDeath: (device) => send('DDEATH', [], device),
    death: (other) => void client.publish(topic('NDEATH'), Buffer.from(encodePayload({ metrics: [number(other)] })), { qos: 1 }),
    asked: () => wake.promise,
    vanish: () => void client.stream.destroy(),
    async [Symbol.asyncDispose]() {
      client.stream.destroy();
    },
  };
  client.on('message', (_topic, payload) => {
    if (!decodePayload(payload).metrics.some(({ name, value }) => name === 'Node Control/Rebirth' && value === true)) return;
    requests++;
    if (options.answersRebirth !== false) edge.birth();
    wake.resolve();
    wake = Promise.withResolvers();
  });
  await new Promise<void>((resolve, reject) => {
    client.on('connect', () => resolve());
    client.on('close', () => reject(new Error('the edge node did not get in')));
  });
  await client.subscribeAsync(topic('NCMD'), { qos: 1 });
  if (options.bornAtOnce !== false) edge.birth();
  return edge;
}

function withoutName({ name: _, ...rest }: Metric): Metric {
  return rest;
}
