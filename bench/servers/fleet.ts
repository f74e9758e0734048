/**
 * A fleet of gateways at one hub: the load, not a contestant. Each has a TLS connection of its own with twin, methods and messages subscribed, reads its
 * twin once, reports to it every 20 s, and sends events of 300 bytes with QoS 1.
 *
 * usage: node fleet.ts PORT CA KEY COUNT RATE
 * RATE events a second each, 0 for none, or `flat` for as fast as the hub acknowledges two at a time. The gateways are called fleet-0 and so on, and have one KEY.
 * Prints `ready SECONDS` when all are connected. Answers SIGUSR2 with a line `late P50 P99 WAITING` (ms from PUBLISH to PUBACK since the last SIGUSR2,
 * and how many wait for their PUBACK) and `count N`, all that were acknowledged.
 */
import { readFileSync } from 'node:fs';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { generate, parser } from 'mqtt-packet';
import { sasToken } from '../../hub/simulator.ts';
import { paced } from './pace.ts';

const [port, caFile = '', key = '', count, rate = '0'] = process.argv.slice(2);
const filters = ['$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#', '$iothub/methods/POST/#'];
const reportEveryMs = 20_000;
const flatWindow = 2;
/** Handshakes under way at once. */
const connecting = 20;

const trust: SecureContext = createSecureContext({ ca: readFileSync(caFile) });
const tally = { sent: 0, acknowledged: 0 };
let late: number[] = [];

class Gateway {
  readonly #id: string;
  readonly #sentMs: number[] = [];
  #socket!: TLSSocket;
  #sequence = 0;
  onAcknowledged = (): void => {};

  constructor(id: string) {
    this.#id = id;
  }

  async open(): Promise<void> {
    const socket = connect({ port: Number(port), host: '127.0.0.1', servername: 'localhost', secureContext: trust });
    this.#socket = socket.setNoDelay(true);
    const mqtt = parser({ protocolVersion: 4 });
    socket.on('data', (chunk: Buffer) => mqtt.parse(chunk));
    const inAnHour = Math.floor(Date.now() / 1000) + 3600;
    await new Promise<void>((resolve, reject) => {
      let answers = 0;
      mqtt.on('packet', (packet) => {
        if (packet.cmd === 'puback') this.#acknowledged();
        else if (packet.cmd === 'connack' && packet.returnCode !== 0) reject(new Error(`${this.#id} refused with ${packet.returnCode}`));
        else if (packet.cmd === 'connack') this.#begin();
        // Three SUBACKs and the twin.
        else if ((packet.cmd === 'suback' || packet.cmd === 'publish') && ++answers === filters.length + 2) resolve();
      });
      socket.once('error', reject).once('close', () => reject(new Error(`${this.#id} was hung up on`)));
      socket.once('secureConnect', () =>
        socket.write(
          generate({
            ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: false, keepalive: 600, clientId: this.#id },
            username: `localhost/${this.#id}/?api-version=2021-04-12`,
            password: Buffer.from(sasToken(`localhost/devices/${this.#id}`, key, inAnHour)),
          }),
        ),
      );
    });
    socket.removeAllListeners('close').on('close', () => {
      process.stdout.write(`lost ${this.#id}\n`);
    });
  }

  send(): void {
    this.#sequence++;
    const event = {
      ...{ specversion: '1.0', id: `${this.#id}/1/${this.#sequence}`, source: `/bench/${this.#id}`, type: 'dragoman.telemetry.v1' },
      ...{ subject: 'press-1', time: new Date().toISOString(), sequence: String(this.#sequence) },
      data: { equipment: 'press-1', readings: [{ point: 'jacket_temperature', value: 93.2, unit: 'Cel' }] },
    };
    const messageId = (this.#sequence % 65_535) + 1;
    const topic = `devices/${this.#id}/messages/events/%24.ct=application%2Fjson&%24.ce=utf-8`;
    this.#sentMs.push(performance.now());
    tally.sent++;
    this.#socket.write(generate({ cmd: 'publish', topic, payload: JSON.stringify(event), qos: 1, messageId, dup: false, retain: false }));
  }

  report(): void {
    const topic = `$iothub/twin/PATCH/properties/reported/?$rid=r`;
    const payload = JSON.stringify({ health: { at: Date.now(), sequence: this.#sequence, connected: true } });
    this.#socket.write(generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }));
  }

  #begin(): void {
    const all = [...filters, `devices/${this.#id}/messages/devicebound/#`];
    for (const [index, topic] of all.entries()) {
      this.#socket.write(generate({ cmd: 'subscribe', messageId: index + 1, subscriptions: [{ topic, qos: 0 }] }));
    }
    this.#socket.write(generate({ cmd: 'publish', topic: '$iothub/twin/GET/?$rid=g', payload: ' ', qos: 0, dup: false, retain: false }));
  }

  #acknowledged(): void {
    tally.acknowledged++;
    late.push(performance.now() - (this.#sentMs.shift() ?? 0));
    this.onAcknowledged();
  }
}

const quantile = (sorted: readonly number[], part: number): number => sorted[Math.floor(sorted.length * part)] ?? 0;

const fleet = Array.from({ length: Number(count) }, (_, index) => new Gateway(`fleet-${index}`));
const startMs = performance.now();
const waiting = [...fleet];
await Promise.all(
  Array.from({ length: connecting }, async () => {
    for (let next = waiting.pop(); next; next = waiting.pop()) await next.open();
  }),
);
process.stdout.write(`ready ${((performance.now() - startMs) / 1000).toFixed(1)}\n`);

process.on('SIGUSR2', () => {
  const sorted = late.sort((a, b) => a - b);
  late = [];
  const { sent, acknowledged } = tally;
  process.stdout.write(
    `late ${quantile(sorted, 0.5).toFixed(1)} ${quantile(sorted, 0.99).toFixed(1)} ${sent - acknowledged}\ncount ${acknowledged}\n`,
  );
});
void paced(0, fleet.length / (reportEveryMs / 1000), (n) => void fleet[n % fleet.length]?.report());
if (rate === 'flat') {
  for (const gateway of fleet) {
    gateway.onAcknowledged = () => gateway.send();
    for (let i = 0; i < flatWindow; i++) gateway.send();
  }
} else if (Number(rate) > 0) void paced(0, fleet.length * Number(rate), (n) => void fleet[n % fleet.length]?.send());
