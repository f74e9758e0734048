import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { type Issued, issue, makeCa, type TestCa } from './certificates.ts';

/** What the peer does next; a test changes it at any time. */
export interface PeerScript {
  /** Return code of the CONNACK, or no CONNACK at all: `close` at once, or stay `silent`. */
  connack: number | 'close' | 'silent';
  /** Acknowledge each PUBLISH at once, or keep it in `unacked` for `ackNext`. */
  puback: 'at-once' | 'by-hand';
  /** Answer PINGREQ. */
  pings: boolean;
}

/** A scripted MQTT 3.1.1 server behind TLS, for misbehaviour that no real broker shows. */
export interface MqttPeer extends AsyncDisposable {
  readonly port: number;
  readonly ca: TestCa;
  readonly script: PeerScript;
  readonly connects: IConnectPacket[];
  /** Common names of the client certificates shown, in order of connections; undefined where there was none. */
  readonly clients: (string | undefined)[];
  readonly servernames: (string | false | null)[];
  readonly published: IPublishPacket[];
  /** Names of all packets and endings, in order: `connect`, `publish`, `disconnect`, `close` … */
  readonly events: string[];
  /** Most messages that were unacknowledged at once. */
  mostUnacked(): number;
  ackNext(count?: number): void;
  /** FIN, as a hub that shuts down. */
  close(): void;
  /** RST, as a firewall. */
  reset(): void;
  send(packet: Packet): void;
  /** Resolves as soon as `check` holds; looks after each packet. */
  until(check: (peer: MqttPeer) => boolean, withinMs?: number): Promise<void>;
}

export interface PeerOptions {
  readonly ca?: TestCa;
  readonly server?: Issued;
  readonly requestCert?: boolean;
  readonly port?: number;
}

export async function startMqttPeer(options: PeerOptions = {}): Promise<MqttPeer> {
  const ca = options.ca ?? (await makeCa());
  const server = options.server ?? (await issue(ca, { commonName: 'localhost' }));
  const sockets = new Set<TLSSocket>();
  /** What carries the TLS: only this one can send RST. */
  const wires = new Set<Socket>();
  const unacked: { readonly socket: TLSSocket; readonly messageId: number }[] = [];
  const watchers = new Set<() => void>();
  let most = 0;
  const listener = createServer({
    cert: server.certificate,
    key: server.privateKey,
    ca: ca.certificate,
    requestCert: options.requestCert ?? false,
    rejectUnauthorized: false,
    noDelay: true,
  });
  const note = (event: string): void => {
    peer.events.push(event);
    for (const look of [...watchers]) look();
  };

  const handle = (socket: TLSSocket, packet: Packet): void => {
    const { script } = peer;
    if (packet.cmd === 'connect') {
      peer.connects.push(packet);
      if (script.connack === 'close') socket.end();
      else if (script.connack !== 'silent') socket.write(generate({ cmd: 'connack', returnCode: script.connack, sessionPresent: false }));
    } else if (packet.cmd === 'publish') {
      peer.published.push(packet);
      unacked.push({ socket, messageId: packet.messageId ?? 0 });
      most = Math.max(most, unacked.length);
      if (script.puback === 'at-once') peer.ackNext(unacked.length);
    } else if (packet.cmd === 'pingreq' && script.pings) {
      socket.write(generate({ cmd: 'pingresp' }));
    }
    note(packet.cmd);
  };

  listener.on('connection', (wire: Socket) => {
    wires.add(wire);
    wire.on('close', () => wires.delete(wire));
  });
  listener.on('secureConnection', (socket) => {
    sockets.add(socket);
    peer.clients.push((socket.getPeerCertificate().subject as { CN?: string } | undefined)?.CN);
    peer.servernames.push((socket as TLSSocket & { servername: string | false | null }).servername);
    const packets = parser({ protocolVersion: 4 });
    packets.on('packet', (packet) => handle(socket, packet));
    packets.on('error', () => socket.destroy());
    socket.on('data', (chunk) => packets.parse(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      note('close');
    });
  });
  listener.on('tlsClientError', () => note('tls-error'));

  const peer: MqttPeer = {
    port: 0,
    ca,
    script: { connack: 0, puback: 'at-once', pings: true },
    connects: [],
    clients: [],
    servernames: [],
    published: [],
    events: [],
    mostUnacked: () => most,
    ackNext(count = 1) {
      for (const { socket, messageId } of unacked.splice(0, count)) {
        if (!socket.destroyed) socket.write(generate({ cmd: 'puback', messageId }));
      }
    },
    close() {
      for (const socket of sockets) socket.end();
      unacked.length = 0;
    },
    reset() {
      for (const wire of wires) wire.resetAndDestroy();
      unacked.length = 0;
    },
    send(packet) {
      for (const socket of sockets) socket.write(generate(packet));
    },
    until(check, withinMs = 8_000) {
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void): void => {
          watchers.delete(look);
          clearTimeout(timer);
          settle();
        };
        const look = (): void => {
          if (check(peer)) finish(resolve);
        };
        const timer = setTimeout(
          () => finish(() => reject(new Error(`the peer waited ${withinMs} ms in vain; it saw: ${peer.events.join(' ')}`))),
          withinMs,
        );
        watchers.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      if (!listener.listening) return;
      listener.close();
      await once(listener, 'close');
    },
  };
  listener.listen(options.port ?? 0, '127.0.0.1');
  await once(listener, 'listening');
  return Object.assign(peer, { port: (listener.address() as AddressInfo).port });
}
