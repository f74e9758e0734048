/**
 * Modules that send, and one that receives: the load, not a contestant. Bodies of 300 bytes, QoS 1, over TLS.
 *
 * usage: node module-pair.ts PORT CA SENDERS RATE [FILTER]
 * RATE messages a second each, or `flat` for as fast as eight at a time are acknowledged. With a FILTER the module `sink` subscribes to it; the modules are called
 * source-0 and so on. Prints `ready` when all are connected. Answers SIGUSR2 with `late P50 P99` (ms from PUBLISH to arrival at the sink, since the
 * last SIGUSR2) and `count N`, all that arrived.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { generate, parser } from 'mqtt-packet';
import { sasToken } from '../../hub/simulator.ts';
import { Lateness } from './lateness.ts';
import { paced } from './pace.ts';

const [port, caFile = '', senders, rate = 'flat', filter] = process.argv.slice(2);
const key = Buffer.alloc(32, 7).toString('base64');
const flatWindow = 8;
const bodyBytes = 300;
const secureContext = createSecureContext({ ca: readFileSync(caFile) });
const lateness = new Lateness();

class Module {
  readonly #id: string;
  readonly #socket: TLSSocket;
  #messageId = 0;
  onAcknowledged = (): void => {};

  constructor(id: string) {
    this.#id = id;
    this.#socket = connect({ port: Number(port), host: '127.0.0.1', servername: 'localhost', secureContext }).setNoDelay(true);
  }

  async open(filter?: string): Promise<void> {
    const mqtt = parser({ protocolVersion: 4 });
    this.#socket.on('data', (chunk: Buffer) => mqtt.parse(chunk));
    await once(this.#socket, 'secureConnect');
    const ready = new Promise<void>((resolve, reject) => {
      mqtt.on('packet', (packet) => {
        if (packet.cmd === 'puback') this.onAcknowledged();
        else if (packet.cmd === 'publish') {
          lateness.arrived(packet.payload as Buffer);
          this.#socket.write(generate({ cmd: 'puback', messageId: packet.messageId as number }));
        } else if (packet.cmd === 'suback') resolve();
        else if (packet.cmd === 'connack' && packet.returnCode !== 0) reject(new Error(`${this.#id} refused with ${packet.returnCode}`));
        else if (packet.cmd === 'connack' && filter === undefined) resolve();
        else if (packet.cmd === 'connack') {
          this.#socket.write(generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter as string, qos: 1 }] }));
        }
      });
      this.#socket.once('close', () => reject(new Error(`${this.#id} was hung up on`)));
    });
    const token = sasToken(`localhost/devices/gw-1/modules/${this.#id}`, key, Math.floor(Date.now() / 1000) + 3600);
    this.#socket.write(
      generate({
        ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: false, keepalive: 600, clientId: `gw-1/${this.#id}` },
        ...{ username: `localhost/gw-1/${this.#id}/?api-version=2021-04-12`, password: Buffer.from(token) },
      }),
    );
    await ready;
  }

  send(): void {
    this.#messageId = (this.#messageId % 65_535) + 1;
    const topic = `devices/gw-1/modules/${this.#id}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8`;
    const payload = Lateness.body(bodyBytes);
    this.#socket.write(generate({ cmd: 'publish', topic, payload, qos: 1, messageId: this.#messageId, dup: false, retain: false }));
  }
}

if (filter !== undefined) await new Module('sink').open(filter);
const sources = Array.from({ length: Number(senders) }, (_, index) => new Module(`source-${index}`));
await Promise.all(sources.map((source) => source.open()));
process.on('SIGUSR2', () => process.stdout.write(lateness.report()));
process.stdout.write('ready\n');
if (rate === 'flat') {
  for (const source of sources) {
    source.onAcknowledged = () => source.send();
    for (let i = 0; i < flatWindow; i++) source.send();
  }
} else void paced(0, sources.length * Number(rate), (n) => void sources[n % sources.length]?.send());
