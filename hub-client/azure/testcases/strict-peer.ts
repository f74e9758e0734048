import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { type Issued, issue, makeCa, type TestCa } from '../../../test/support/certificates.ts';

/** One connection, as the script of a test sees it. */
export interface PeerClient {
  readonly id: string;
  /** Filters of this connection. */
  readonly filters: ReadonlyMap<string, number>;
  send(packet: Packet): void;
  /** QoS 0, or QoS 1 with this packet id. */
  publish(topic: string, body: string | Uint8Array, packetId?: number): void;
  close(): void;
}

export interface PeerScript {
  /** Return code, or no answer at all. */
  connack: number | 'silent' | ((packet: IConnectPacket) => number);
  /** Sent in one piece with the CONNACK, as a hub does that kept the session. */
  withConnack: readonly Packet[];
  /** Answer PINGREQ. */
  pings: boolean;
  /** Return code for a filter; 0x80 refuses. */
  suback: (filter: string, qos: number) => number | 'silent';
  /** What a PUBLISH is answered with, beside the PUBACK that QoS 1 gets. */
  published: (packet: IPublishPacket & { readonly text: string }, client: PeerClient) => void;
}

/**
 * A server that speaks MQTT 3.1.1 over TLS as strictly as the service: it hangs up for a filter that is not documented, for a sixth one,
 * for QoS 2, for a retained message. What it answers is the script's.
 */
export interface StrictPeer extends AsyncDisposable {
  readonly port: number;
  readonly ca: TestCa;
  readonly script: PeerScript;
  readonly connects: IConnectPacket[];
  /** Common names of the client certificates shown. */
  readonly commonNames: (string | undefined)[];
  readonly published: (IPublishPacket & { readonly text: string })[];
  /** `connect`, `subscribe FILTER QOS`, `publish TOPIC QOS`, `puback ID`, `disconnect`, `close`, `violation …`, in order. */
  readonly events: string[];
  /** The living connection; throws when there is none. */
  readonly client: PeerClient;
  /** RST for all. */
  reset(): void;
  until(check: () => boolean, withinMs?: number): Promise<void>;
}

const allowed = [
  /^devices\/[^/]+\/messages\/devicebound\/#$/,
  /^\$iothub\/methods\/POST\/#$/,
  /^\$iothub\/twin\/(res|PATCH\/properties\/desired)\/#$/,
  /^\$dps\/registrations\/res\/#$/,
];

export async function startStrictPeer(options: { ca?: TestCa; server?: Issued; requestCert?: boolean } = {}): Promise<StrictPeer> {
  const ca = options.ca ?? (await makeCa());
  const server = options.server ?? (await issue(ca, { commonName: 'localhost' }));
  const living = new Map<TLSSocket, PeerClient>();
  const wires = new Set<Socket>();
  const watchers = new Set<() => void>();
  const note = (event: string): void => {
    peer.events.push(event);
    for (const look of [...watchers]) look();
  };

  const serve = (socket: TLSSocket): void => {
    const filters = new Map<string, number>();
    const send = (packet: Packet): void => void (socket.destroyed || socket.write(generate(packet)));
    const violation = (what: string): void => {
      note(`violation ${what}`);
      socket.end();
    };
    let client: (PeerClient & { id: string }) | undefined;
    const handle = (packet: Packet): void => {
      const { script } = peer;
      if (packet.cmd === 'connect') {
        client = {
          id: packet.clientId,
          filters,
          send,
          publish: (topic, body, packetId) =>
            send({
              cmd: 'publish',
              topic,
              payload: typeof body === 'string' ? body : Buffer.from(body),
              qos: packetId === undefined ? 0 : 1,
              dup: false,
              retain: false,
              ...(packetId === undefined ? {} : { messageId: packetId }),
            }),
          close: () => void socket.end(),
        };
        living.set(socket, client);
        peer.connects.push(packet);
        const code = typeof script.connack === 'function' ? script.connack(packet) : script.connack;
        if (code !== 'silent') {
          const packets: Packet[] = [{ cmd: 'connack', returnCode: code, sessionPresent: false }, ...script.withConnack];
          socket.write(Buffer.concat(packets.map((one) => generate(one))));
        }
        note('connect');
        if (typeof code === 'number' && code > 0) socket.end();
        return;
      }
      if (!client) {
        violation('no CONNECT');
        return;
      }
      switch (packet.cmd) {
        case 'subscribe': {
          const granted: number[] = [];
          for (const { topic, qos } of packet.subscriptions) {
            if (!allowed.some((one) => one.test(topic))) {
              violation(`filter ${topic}`);
              return;
            }
            const code = script.suback(topic, qos);
            if (typeof code === 'number' && code < 0x80) filters.set(topic, qos);
            note(`subscribe ${topic} ${qos}`);
            if (code === 'silent') return;
            granted.push(code);
          }
          if (filters.size > 5) {
            violation('a sixth filter');
            return;
          }
          send({ cmd: 'suback', messageId: packet.messageId!, granted });
          break;
        }
        case 'publish': {
          if (packet.retain || packet.qos === 2) {
            violation('retain or QoS 2');
            return;
          }
          const whole = Object.assign(packet, { text: String(packet.payload) });
          peer.published.push(whole);
          if (packet.qos === 1) send({ cmd: 'puback', messageId: packet.messageId! });
          script.published(whole, client);
          note(`publish ${packet.topic} ${packet.qos}`);
          break;
        }
        case 'unsubscribe':
          send({ cmd: 'unsuback', messageId: packet.messageId!, granted: [] });
          note('unsubscribe');
          break;
        case 'puback':
          note(`puback ${packet.messageId}`);
          break;
        case 'pingreq':
          if (script.pings) send({ cmd: 'pingresp' });
          break;
        default:
          note(packet.cmd);
          if (packet.cmd === 'disconnect') socket.end();
      }
    };
    const packets = parser({ protocolVersion: 4 });
    packets.on('packet', handle);
    packets.on('error', (error: Error) => violation(error.message));
    socket.on('data', (chunk) => packets.parse(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      living.delete(socket);
      note('close');
    });
    peer.commonNames.push((socket.getPeerCertificate().subject as { CN?: string } | undefined)?.CN);
  };

  const listener = createServer(
    {
      cert: server.certificate,
      key: server.privateKey,
      ca: ca.certificate,
      requestCert: options.requestCert ?? false,
      rejectUnauthorized: false,
      noDelay: true,
    },
    serve,
  );
  listener.on('connection', (wire: Socket) => {
    wires.add(wire);
    wire.on('error', () => {});
    wire.on('close', () => wires.delete(wire));
  });
  listener.on('tlsClientError', () => note('tls-error'));
  const peer: StrictPeer = {
    port: 0,
    ca,
    script: { connack: 0, withConnack: [], pings: true, suback: (_filter, qos) => qos, published: () => {} },
    connects: [],
    commonNames: [],
    published: [],
    events: [],
    get client() {
      const last = [...living.values()].at(-1);
      if (!last) throw new Error('nobody is connected');
      return last;
    },
    reset() {
      for (const wire of wires) wire.resetAndDestroy();
    },
    until(check, withinMs = 8_000) {
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          watchers.delete(look);
          clearTimeout(timer);
          settle();
        };
        const look = (): void => {
          try {
            if (check()) finish(resolve);
          } catch {
            // Nobody is connected now.
          }
        };
        const timer = setTimeout(
          () => finish(() => reject(new Error(`the peer waited ${withinMs} ms in vain; it saw:\n${peer.events.join('\n')}`))),
          withinMs,
        );
        watchers.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      for (const wire of wires) wire.destroy();
      if (!listener.listening) return;
      listener.close();
      await once(listener, 'close');
    },
  };
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return Object.defineProperty(peer, 'port', { value: (listener.address() as AddressInfo).port });
}
