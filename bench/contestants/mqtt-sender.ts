/**
 * The limit out to MQTT: an mqtt.js client, version 5, that publishes the same bodies round and round with QoS 1 and counts the readings
 * in what was acknowledged.
 *
 * usage: node mqtt-sender.ts PORT BODIES_FILE WINDOW
 */
import { connectAsync } from 'mqtt';
import { readBodies } from './bodies.ts';
import { add, ready } from './tally.ts';

const [port, file = '', window] = process.argv.slice(2);
const bodies = readBodies(file);
const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
(client.stream as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
let next = 0;
function send(): void {
  const { topic, bytes, readings } = bodies[next++ % bodies.length]!;
  client.publish(topic, bytes, { qos: 1 }, () => {
    add(readings);
    send();
  });
}
for (let k = 0; k < Number(window); k++) send();
ready();
