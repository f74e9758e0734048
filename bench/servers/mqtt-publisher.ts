/**
 * Publishes messages of the press with QoS 1: the load, not a contestant.
 *
 * usage: node mqtt-publisher.ts PORT TOPIC COUNT RATE
 * RATE messages a second, or as fast as it goes with 0; COUNT of them, or for ever with 0. Prints `ready`, and `done` when the broker has all.
 */
import { connectAsync } from 'mqtt';
import { pressMessage } from '../harness/press.ts';
import { paced } from './pace.ts';

const window = 100;

const [port, topic = '', count, rate] = process.argv.slice(2);
const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5 });
(client.stream as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);
let underWay = 0;
let wake: (() => void) | undefined;
const changed = (): Promise<void> =>
  new Promise((resolve) => {
    wake = resolve;
  });
process.stdout.write('ready\n');
await paced(Number(count), Number(rate), (n) => {
  underWay++;
  client.publish(topic, pressMessage(n), { qos: 1 }, () => {
    underWay--;
    wake?.();
  });
  return underWay < window ? undefined : changed();
});
while (underWay > 0) await changed();
await client.endAsync();
process.stdout.write('done\n');
