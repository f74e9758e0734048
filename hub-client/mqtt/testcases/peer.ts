import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { generate, type IConnectPacket, type IPublishPacket, type Packet, parser } from 'mqtt-packet';

/** What the peer does next; a test changes it at any time. */
export interface Script {
  /** What it answers to CONNECT: the fields of the CONNACK, `close` at once, `reset`, or stay `silent`. */
  connack: { readonly code?: number; readonly properties?: object } | 'close' | 'reset' | 'silent';
  /** Versions it speaks; it answers others with `otherVersion`. */
  versions: readonly (4 | 5)[];
  otherVersion: 'code 1' | 'close' | 'reset';
  /** Reason code of each PUBACK, or keep the message for `ack`. */
  puback: number | 'by-hand';
  reasonString: string | undefined;
  pings: boolean;
}

/** A scripted MQTT server without TLS, 5 and 3.1.1, for misbehaviour that no real broker shows. */
export interface Peer extends AsyncDisposable {
  readonly port: number;
  readonly script: Script;
  readonly connects: IConnectPacket[];
  readonly published: IPublishPacket[];
  /** Names of all packets and endings, in order. */
  readonly events: string[];
  mostUnacked(): number;
  ack(count?: number): void;
  send(packet: Packet): void;
  /** Bytes that need not be a packet. */
  raw(bytes: readonly number[]): void;
  close(): void;
  reset(): void;
  until(check: (peer: Peer) => boolean, withinMs?: number): Promise<void>;
}

export async function startPeer(script: Partial<Script> = {}): Promise<Peer> {
  const sockets = new Map<Socket, 4 | 5>();
  const unacked: { readonly socket: Socket; readonly messageId: number }[] = [];
  const watchers = new Set<() => void>();
  let most = 0;
  const write = (socket: Socket, packet: Packet): void => {
    if (!socket.destroyed) socket.write(generate(packet, { protocolVersion: sockets.get(socket) ?? 4 }));
  };

  const greet = (socket: Socket, packet: IConnectPacket): void => {
    const version = packet.protocolVersion === 5 ? 5 : 4;
    sockets.set(socket, version);
    peer.connects.push(packet);
    const { connack, versions, otherVersion } = peer.script;
    const end = (how: 'close' | 'reset'): void => void (how === 'close' ? socket.end() : socket.resetAndDestroy());
    if (!versions.includes(version)) {
      // An old broker answers in its own tongue.
      if (otherVersion === 'code 1') socket.end(Buffer.from([0x20, 2, 0, 1]));
      else end(otherVersion);
    } else if (connack === 'close' || connack === 'reset') end(connack);
    else if (connack !== 'silent') {
      const { code = 0, properties } = connack;
      if (version === 5) write(socket, { cmd: 'connack', reasonCode: code, sessionPresent: false, ...(properties ? { properties } : {}) });
      else write(socket, { cmd: 'connack', returnCode: code, sessionPresent: false });
    }
  };

  const handle = (socket: Socket, packet: Packet): void => {
    const { puback, pings } = peer.script;
    if (packet.cmd === 'connect') greet(socket, packet);
    else if (packet.cmd === 'publish') {
      peer.published.push(packet);
      if (packet.qos > 0) {
        unacked.push({ socket, messageId: packet.messageId ?? 0 });
        most = Math.max(most, unacked.length);
        if (puback !== 'by-hand') peer.ack(unacked.length);
      }
    } else if (packet.cmd === 'subscribe') {
      write(socket, { cmd: 'suback', messageId: packet.messageId ?? 0, granted: packet.subscriptions.map(() => 1) });
    } else if (packet.cmd === 'pingreq' && pings) write(socket, { cmd: 'pingresp' });
    note(packet.cmd);
  };

  const note = (event: string): void => {
    peer.events.push(event);
    for (const look of [...watchers]) look();
  };

  const server = createServer({ noDelay: true }, (socket) => {
    sockets.set(socket, 4);
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

  const peer: Peer = {
    port: 0,
    script: { connack: {}, versions: [4, 5], otherVersion: 'close', puback: 0, reasonString: undefined, pings: true, ...script },
    connects: [],
    published: [],
    events: [],
    mostUnacked: () => most,
    ack(count = 1) {
      const { puback, reasonString } = peer.script;
      const reasonCode = puback === 'by-hand' ? 0 : puback;
      for (const { socket, messageId } of unacked.splice(0, count)) {
        const properties = reasonString === undefined ? {} : { properties: { reasonString } };
        write(socket, { cmd: 'puback', messageId, reasonCode, ...properties });
      }
    },
    send(packet) {
      for (const socket of sockets.keys()) write(socket, packet);
    },
    raw(bytes) {
      for (const socket of sockets.keys()) socket.write(Buffer.from(bytes));
    },
    close() {
      for (const socket of sockets.keys()) socket.end();
    },
    reset() {
      for (const socket of sockets.keys()) socket.resetAndDestroy();
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
      for (const socket of sockets.keys()) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(peer, { port: (server.address() as AddressInfo).port });
}
