import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { generate, type IConnackPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { topicRoot } from './mqtt/topics.ts';
import { identityId } from './registry.ts';
import { signSas } from './sas.ts';

export interface SimulatedDeviceOptions {
  readonly port: number;
  readonly ca: string;
  readonly deviceId: string;
  /** It is this module of the device. */
  readonly moduleId?: string;
  /** Key of the identity, base64; absent with a client certificate. */
  readonly key?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** Host name in the user name and the token. Default `localhost`. */
  readonly host?: string;
  readonly tokenSeconds?: number;
  /** Fields of the CONNECT packet that are to differ. */
  readonly connect?: Partial<Packet & { cmd: 'connect' }>;
}

/** A device that speaks bare MQTT packets, well or badly, for tests and the bench. */
export interface SimulatedDevice extends AsyncDisposable {
  readonly socket: TLSSocket;
  readonly connack: IConnackPacket;
  send(packet: Packet): void;
  write(bytes: Uint8Array): void;
  /** The next packet of this kind that has not been waited for yet; rejects when the link ends first. */
  next<C extends Packet['cmd']>(cmd: C): Promise<Packet & { cmd: C }>;
  /** Subscribes with this QoS, and resolves at the SUBACK. */
  subscribe(filter: string, qos?: 0 | 1): Promise<void>;
  publish(topic: string, body: string): void;
  /** Publishes telemetry with QoS 1 and resolves at the PUBACK. */
  telemetry(body: string | Uint8Array, bag?: string): Promise<void>;
  /** Resolves when the hub has hung up. */
  readonly closed: Promise<void>;
}

export function sasToken(resource: string, key: string, expirySeconds: number): string {
  const sr = encodeURIComponent(resource);
  const signature = encodeURIComponent(signSas(key, sr, String(expirySeconds)));
  return `SharedAccessSignature sr=${sr}&sig=${signature}&se=${expirySeconds}`;
}

/** Opens TLS only: for those who do not want to say CONNECT. */
export async function openSocket({
  port,
  ca,
  certificate,
}: Pick<SimulatedDeviceOptions, 'port' | 'ca' | 'certificate'>): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...certificate });
  socket.setNoDelay(true);
  await once(socket, 'secureConnect');
  return socket;
}

/** Resolves after the CONNACK, whatever it says. */
export async function connectSimulatedDevice(options: SimulatedDeviceOptions): Promise<SimulatedDevice> {
  const { deviceId, moduleId, key, host = 'localhost', tokenSeconds = 3600 } = options;
  const id = identityId(deviceId, moduleId);
  const root = topicRoot({ deviceId, moduleId });
  const socket = await openSocket(options);
  const wire = receive(socket);
  const password = key === undefined ? undefined : sasToken(`${host}/${root}`, key, Math.floor(Date.now() / 1000) + tokenSeconds);
  socket.write(
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clean: false,
      keepalive: 60,
      clientId: id,
      username: `${host}/${id}/?api-version=2021-04-12`,
      ...(password !== undefined && { password: Buffer.from(password) }),
      ...options.connect,
    }),
  );
  const connack = await wire.next('connack');
  let messageId = 0;
  const send = (packet: Packet): void => {
    socket.write(generate(packet));
  };
  return {
    socket,
    connack,
    send,
    write: (bytes) => socket.write(bytes),
    next: wire.next,
    async subscribe(topic, qos = 0) {
      messageId = (messageId % 65_535) + 1;
      send({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] });
      await wire.next('suback');
    },
    publish: (topic, payload) => send({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }),
    async telemetry(body, bag = '') {
      messageId = (messageId % 65_535) + 1;
      const topic = `${root}/messages/events/${bag}`;
      send({ cmd: 'publish', topic, payload: Buffer.from(body), qos: 1, messageId, dup: false, retain: false } as IPublishPacket);
      await wire.next('puback');
    },
    closed: wire.closed,
    async [Symbol.asyncDispose]() {
      socket.destroy();
      await wire.closed;
    },
  };
}

function receive(socket: TLSSocket) {
  const mqtt = parser({ protocolVersion: 4 });
  const arrived: Packet[] = [];
  const waiting: { cmd: string; resolve: (packet: never) => void; reject: (error: Error) => void }[] = [];
  let ended = false;
  mqtt.on('packet', (packet) => {
    const at = waiting.findIndex(({ cmd }) => cmd === packet.cmd);
    if (at < 0) arrived.push(packet);
    else waiting.splice(at, 1)[0]?.resolve({ ...packet } as never);
  });
  socket.on('data', (chunk: Buffer) => mqtt.parse(chunk));
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      ended = true;
      for (const { cmd, reject } of waiting.splice(0)) reject(new Error(`the link ended before a ${cmd} came`));
      resolve();
    });
  });
  const next = <C extends Packet['cmd']>(cmd: C): Promise<Packet & { cmd: C }> =>
    new Promise((resolve, reject) => {
      const at = arrived.findIndex((packet) => packet.cmd === cmd);
      if (at >= 0) resolve(arrived.splice(at, 1)[0] as Packet & { cmd: C });
      else if (ended) reject(new Error(`the link ended before a ${cmd} came`));
      else waiting.push({ cmd, resolve, reject });
    });
  return { next, closed };
}
