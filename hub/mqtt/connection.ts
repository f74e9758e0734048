import type { TLSSocket } from 'node:tls';
import {
  generate,
  type IConnectPacket,
  type IPublishPacket,
  type ISubscribePacket,
  type IUnsubscribePacket,
  type Packet,
  parser,
} from 'mqtt-packet';
import { type CertificateChain, certificatesOf } from '../certificate-chain.ts';
import type { HubError } from '../error.ts';
import type { Subscriptions } from '../sessions.ts';
import { connack } from './connect.ts';
import type { ConnectionEnd, ConnectionHost } from './connection-host.ts';
import { PacketFramer, ProtocolViolation } from './framing.ts';
import { Outgoing } from './outgoing.ts';
import type { Role, Speaker, TelemetryTopic } from './role.ts';
import { maxMessageBytes, maxSubscriptions, messageBytes } from './topics.ts';

/** A CONNECT with a will; nothing else may come before it. */
const beforeConnectBytes = 64 * 1024;
/** Message, topic of up to 64 KB, header. */
const packetBytes = maxMessageBytes + 65_535 + 9;
/** A packet that trickles in may take this long. */
const packetWithinMs = 300_000;
/** The service drops after 1.5 × keepalive and caps that. */
const longestSilenceMs = 1_767_000;
/** Messages of one client that may wait for the disk before it is not read any more. */
const inFlight = { messages: 100, bytes: 4 * 1024 * 1024 };
/** A client that does not read its answers is let go. */
const unreadBytes = 1024 * 1024;
/** A client that was told goodbye has this long to hang up. */
const lingerMs = 500;

/** The parser reads past the end of some malformed packets; anything else is ours, a registry that cannot be written for one. */
function codeOf(error: unknown): string {
  if (error instanceof ProtocolViolation) return error.code;
  return error instanceof RangeError ? 'malformed-packet' : 'hub-failed';
}

/** One TLS connection that speaks the device side of IoT Hub: MQTT 3.1.1, QoS 0 and 1. */
export class MqttConnection implements Speaker {
  readonly remote: string;
  /** Who it says it is; for the log, before it is proven. */
  claimedId: string | undefined;
  readonly #socket: TLSSocket;
  readonly #host: ConnectionHost;
  readonly #framer = new PacketFramer(beforeConnectBytes);
  readonly #parser = parser({ protocolVersion: 4 });
  readonly #openedMs = Date.now();
  readonly #outgoing = new Outgoing();
  #role: Role | undefined;
  #clean = true;
  #will: IConnectPacket['will'];
  #subscriptions: Subscriptions = new Map();
  #silenceMs = Number.POSITIVE_INFINITY;
  #lastByteMs = Date.now();
  #waiting = { messages: 0, bytes: 0 };
  #paused = false;
  #waitsForDrain = false;
  #packetOwned = false;
  #end: ConnectionEnd | undefined;
  #idle: (() => void) | undefined;

  constructor(socket: TLSSocket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.remote = socket.remoteAddress ?? 'unknown';
    this.#parser.on('packet', (packet) => this.#take(packet));
    this.#parser.on('error', (error: Error) => {
      throw new ProtocolViolation('malformed-packet', error.message);
    });
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#finish({ code: 'link-lost', reason: error.message, bad: false }));
    socket.on('end', () => this.close({ code: 'link-lost', reason: 'the device closed without DISCONNECT', bad: false }));
    socket.on('close', () => this.#finish({ code: 'link-lost', reason: 'the link was lost', bad: false }));
  }

  get role(): Role | undefined {
    return this.#role;
  }

  get subscriptions(): ReadonlyMap<string, 0 | 1> {
    return this.#subscriptions;
  }

  certificates(): CertificateChain {
    return certificatesOf(this.#socket);
  }

  /** The name by which the client calls the hub, as it said in the TLS handshake. */
  get serverName(): string | undefined {
    return this.#socket.servername || undefined;
  }

  publish(topic: string, body: string | Uint8Array, sent?: (taken: boolean) => void): void {
    if (this.#end) {
      sent?.(false);
      return;
    }
    const payload = typeof body === 'string' ? body : Buffer.from(body);
    const packet = generate({ cmd: 'publish', topic, payload, qos: 0, retain: false, dup: false });
    this.#write(packet, sent && ((error) => sent(!error)));
  }

  deliver(topic: string, body: string | Uint8Array, settled: (acknowledged: boolean) => void): void {
    if (this.#end) settled(false);
    else this.#write(this.#outgoing.add(topic, body, settled));
  }

  /** Called a few times a second: what is too slow, too silent or expired ends. */
  check(nowMs: number): void {
    if (this.#end) return;
    const { waitingSinceMs } = this.#framer;
    if (!this.#role) {
      const { connectWithinMs } = this.#host;
      if (nowMs - this.#openedMs > connectWithinMs)
        this.close({ code: 'no-connect', reason: `no CONNECT within ${connectWithinMs} ms`, bad: true });
    } else if (this.#role.expiresMs !== undefined && nowMs >= this.#role.expiresMs) {
      this.close({ code: 'token-expired', reason: 'the token or certificate expired while connected', bad: false });
    } else if (!this.#paused && nowMs - this.#lastByteMs > this.#silenceMs) {
      this.close({ code: 'keepalive', reason: `nothing was heard for ${Math.round((nowMs - this.#lastByteMs) / 1000)} s`, bad: false });
    } else if (!this.#paused && waitingSinceMs !== undefined && nowMs - waitingSinceMs > packetWithinMs) {
      this.close({ code: 'slow-packet', reason: 'one packet took longer than 5 minutes', bad: true });
    }
  }

  /**
   * Says goodbye with a FIN, after what was to be sent, and hangs up if the device does not. Bytes that still come are
   * read and thrown away: unread ones would turn the goodbye into a reset, after which the Azure SDK does not subscribe again.
   */
  close(end: ConnectionEnd): void {
    if (this.#end) return;
    this.#finish(end);
    this.#socket.resume();
    this.#socket.end();
    setTimeout(() => this.#socket.destroy(), lingerMs).unref();
  }

  /** Takes nothing more, waits until what was taken is on disk and acknowledged, then closes. */
  async drain(end: ConnectionEnd): Promise<void> {
    if (!this.#end && this.#waiting.messages > 0) {
      this.#socket.pause();
      this.#paused = true;
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        setTimeout(resolve, lingerMs).unref();
      });
    }
    this.close(end);
    if (!this.#socket.destroyed) await new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
  }

  #read(chunk: Buffer): void {
    if (this.#end) return;
    this.#lastByteMs = Date.now();
    try {
      if (!this.#role && this.#framer.waitingSinceMs === undefined && ((chunk[0] ?? 0) & 0xf0) !== 0x10) {
        throw new ProtocolViolation('no-connect', 'the first packet was not CONNECT [MQTT-3.1.0-1]');
      }
      this.#framer.push(chunk, (packet, owned) => {
        if (this.#end) return;
        this.#packetOwned = owned;
        this.#parser.parse(packet);
      });
    } catch (error) {
      this.close({ code: codeOf(error), reason: (error as Error).message, bad: true });
    }
  }

  #take(packet: Packet): void {
    if (this.#end) return;
    if (packet.cmd === 'connect') {
      this.#connect(packet);
      return;
    }
    // Refused: nothing more is taken.
    if (!this.#role) return;
    switch (packet.cmd) {
      case 'publish':
        this.#publish(packet, this.#role);
        break;
      case 'subscribe':
        this.#subscribe(packet, this.#role);
        break;
      case 'unsubscribe':
        this.#unsubscribe(packet);
        break;
      case 'pingreq':
        this.#send({ cmd: 'pingresp' });
        break;
      case 'disconnect':
        this.#will = undefined;
        this.close({ code: 'disconnect', reason: 'the device said goodbye', bad: false });
        break;
      case 'puback':
        this.#outgoing.acknowledged(packet.messageId);
        break;
      default:
        throw new ProtocolViolation('unexpected-packet', `a device may not send ${packet.cmd}`);
    }
  }

  #connect(packet: IConnectPacket): void {
    if (this.#role) throw new ProtocolViolation('second-connect', 'a second CONNECT on one connection [MQTT-3.1.0-2]');
    this.claimedId = packet.clientId.slice(0, 300);
    const decision = this.#host.decide(packet, this);
    if (!decision.accepted) {
      this.#refuse(packet, decision.code);
      this.close({ code: 'refused', reason: decision.reason, bad: true });
      return;
    }
    const role = decision.cast(this);
    if (packet.will && !role.telemetry(packet.will.topic)) {
      throw new ProtocolViolation('will-topic', "the will's topic must be one for telemetry: devices/{device}/messages/events/");
    }
    this.#role = role;
    this.#will = packet.will;
    this.#clean = packet.clean === true || !role.session;
    if (packet.keepalive) this.#silenceMs = Math.min(packet.keepalive * 1_500, longestSilenceMs);
    this.#framer.limitBytes = packetBytes;
    this.#host.accepted(this, role);
    const session = this.#clean ? undefined : role.session?.load();
    if (this.#clean) role.session?.drop();
    this.#subscriptions = session ?? new Map();
    this.#send({ cmd: 'connack', returnCode: connack.accepted, sessionPresent: session !== undefined });
    if (this.#subscriptions.size > 0) role.listening();
  }

  #refuse(packet: IConnectPacket, code: number): void {
    // An MQTT 5 client understands its own form only: 0x84, unsupported protocol version.
    if (packet.protocolVersion === 5) {
      this.#socket.write(generate({ cmd: 'connack', reasonCode: 0x84, sessionPresent: false }, { protocolVersion: 5 }));
    } else this.#send({ cmd: 'connack', returnCode: code, sessionPresent: false });
  }

  #publish(packet: IPublishPacket, role: Role): void {
    if (packet.qos === 2) throw new ProtocolViolation('qos-2', 'a PUBLISH with QoS 2; IoT Hub takes 0 and 1');
    const telemetry = role.telemetry(packet.topic);
    if (telemetry) {
      this.#telemetry(packet, telemetry);
      return;
    }
    if (!role.take(packet.topic, packet.payload as Buffer)) {
      const topic = JSON.stringify(packet.topic.slice(0, 200));
      throw new ProtocolViolation('topic', `a PUBLISH to ${topic}, where ${role.id} may not publish`);
    }
    if (packet.qos === 1 && !this.#end) this.#send({ cmd: 'puback', messageId: packet.messageId as number });
  }

  #telemetry(packet: IPublishPacket, topic: TelemetryTopic): void {
    const payload = packet.payload as Buffer;
    const bytes = messageBytes(topic.properties, payload.length);
    if (bytes > maxMessageBytes) {
      throw new ProtocolViolation('message-too-large', `a message of ${bytes} bytes; IoT Hub takes at most ${maxMessageBytes}`);
    }
    const properties = packet.retain ? { ...topic.properties, 'mqtt-retain': 'true' } : topic.properties;
    this.#waiting.messages++;
    // Taken now: a body that was handed over has no length any more.
    const bodyBytes = payload.length;
    this.#waiting.bytes += bodyBytes;
    const stored = (error: HubError | undefined): void => this.#stored(packet, bodyBytes, error);
    // The worker gets the memory itself where it is ours alone, else a copy.
    const body = this.#packetOwned ? payload : new Uint8Array(payload);
    this.#host.store({ device: topic.deviceId, arrivedMs: Date.now(), properties: { ...properties }, body }, stored);
    this.#regulate();
  }

  #stored(packet: IPublishPacket, bytes: number, error: HubError | undefined): void {
    this.#waiting.messages--;
    this.#waiting.bytes -= bytes;
    if (error) this.close({ code: error.code, reason: error.message, bad: false });
    else if (packet.qos === 1 && !this.#socket.destroyed && this.#socket.writable) {
      this.#write(generate({ cmd: 'puback', messageId: packet.messageId as number }));
    }
    if (this.#waiting.messages === 0) this.#idle?.();
    this.#regulate();
  }

  /** Reads on only while what waits for the disk is bounded, for this client and for all. */
  #regulate(): void {
    if (this.#end || this.#idle) return;
    if (this.#host.congested) {
      this.#pause();
      if (this.#waitsForDrain) return;
      this.#waitsForDrain = true;
      this.#host.onceDrained(() => {
        this.#waitsForDrain = false;
        this.#regulate();
      });
    } else if (this.#waiting.messages >= inFlight.messages || this.#waiting.bytes >= inFlight.bytes) this.#pause();
    else if (this.#paused && this.#waiting.bytes <= inFlight.bytes / 2) {
      this.#paused = false;
      this.#lastByteMs = Date.now();
      this.#socket.resume();
    }
  }

  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  #subscribe(packet: ISubscribePacket, role: Role): void {
    const wanted = new Map(this.#subscriptions);
    for (const { topic, qos } of packet.subscriptions) {
      if (!role.maySubscribe(topic)) {
        throw new ProtocolViolation(
          'topic-filter',
          `a SUBSCRIBE to ${JSON.stringify(topic.slice(0, 200))}; only the documented filters exist`,
        );
      }
      wanted.set(topic, qos === 0 ? 0 : 1);
    }
    if (wanted.size > maxSubscriptions || packet.subscriptions.length > maxSubscriptions) {
      throw new ProtocolViolation('too-many-subscriptions', `more than ${maxSubscriptions} subscriptions on one connection`);
    }
    const granted = packet.subscriptions.map(({ qos }) => (qos === 0 ? 0 : 1));
    this.#remember(wanted, () => {
      this.#send({ cmd: 'suback', messageId: packet.messageId as number, granted });
      role.listening();
    });
  }

  #unsubscribe(packet: IUnsubscribePacket): void {
    const wanted = new Map(this.#subscriptions);
    for (const topic of packet.unsubscriptions) wanted.delete(topic);
    this.#remember(wanted, () => {
      this.#send({ cmd: 'unsuback', messageId: packet.messageId as number } as Packet);
      this.#role?.listening();
    });
  }

  /** `answer` goes out when it is on disk. */
  #remember(subscriptions: Subscriptions, answer: () => void): void {
    this.#subscriptions = subscriptions;
    const session = this.#clean ? undefined : this.#role?.session;
    if (!session) {
      answer();
      return;
    }
    session.save(subscriptions).then(
      () => {
        if (!this.#end) answer();
      },
      (error: Error) => this.close({ code: 'hub-failed', reason: error.message, bad: true }),
    );
  }

  #send(packet: Packet): void {
    this.#write(generate(packet));
  }

  #write(bytes: Buffer, written?: (error: Error | null | undefined) => void): void {
    this.#socket.write(bytes, written);
    if (this.#socket.writableLength > unreadBytes)
      this.close({ code: 'not-reading', reason: 'the device does not read its answers', bad: true });
  }

  #finish(end: ConnectionEnd): void {
    if (this.#end) return;
    this.#end = end;
    const telemetry = this.#will && this.#role?.telemetry(this.#will.topic);
    if (telemetry) this.#storeWill(this.#will as NonNullable<IConnectPacket['will']>, telemetry);
    this.#role?.ended();
    this.#host.ended(this, end);
    this.#outgoing.abandon();
  }

  /** The link ended without DISCONNECT: the will is telemetry now. */
  #storeWill({ payload }: NonNullable<IConnectPacket['will']>, { deviceId, properties }: TelemetryTopic): void {
    const all = { ...properties, 'iothub-MessageType': 'Will' };
    this.#host.store({ device: deviceId, arrivedMs: Date.now(), properties: all, body: new Uint8Array(Buffer.from(payload)) }, () => {});
  }
}
