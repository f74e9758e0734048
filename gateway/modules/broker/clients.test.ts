import { connectAsync } from 'mqtt';
import { expect, test } from 'vitest';
import { capability, titled } from '../../../test/support/capabilities.ts';
import { startChild } from '../../../test/support/child.ts';
import { type Box, credentialsOf, deviceId, openBox, routesOf } from './testing/box.ts';

const mosquitto = capability('mosquitto');
const toSink = 'FROM /messages/modules/source/* INTO BrokeredEndpoint("/modules/sink/inputs/in")';
const events = `devices/${deviceId}/modules/source/messages/events/`;

/** What mosquitto_pub and mosquitto_sub are told to be this module. */
function identity(box: Box, moduleId: string): readonly string[] {
  const { username, password } = credentialsOf(moduleId);
  const at = ['-h', 'localhost', '-p', String(box.broker.mqttPort), '--cafile', box.caFile];
  return [...at, '-i', `${deviceId}/${moduleId}`, '-u', username, '-P', password, '-V', 'mqttv311', '-c'];
}

test.skipIf(!mosquitto.ok)(titled("mosquitto's clients: one publishes, the other gets it, also what waited", mosquitto), async () => {
  await using box = await openBox({ routes: routesOf(toSink) });
  const publish = async (bag: string, body: string): Promise<void> => {
    await using child = startChild('mosquitto_pub', [...identity(box, 'source'), '-q', '1', '-t', `${events}${bag}`, '-m', body]);
    expect(await child.exited, child.output()).toBe(0);
  };
  await publish('', 'first');
  await publish('kind=alarm', 'second');
  const filter = `devices/${deviceId}/modules/sink/inputs/#`;
  await using sink = startChild('mosquitto_sub', [...identity(box, 'sink'), '-q', '1', '-t', filter, '-C', '2', '-F', '%t %p']);
  expect(await sink.exited, sink.output()).toBe(0);
  const input = `devices/${deviceId}/modules/sink/inputs/in/%24.cdid=${deviceId}&%24.cmid=source`;
  expect(sink.output().trim().split('\n')).toEqual([`${input} first`, `${input}&kind=alarm second`]);
});

test('mqtt.js: a large backlog comes whole and in order, with QoS 1 and with QoS 0', async () => {
  await using box = await openBox({
    routes: routesOf(toSink, 'FROM /messages/modules/source/* INTO BrokeredEndpoint("/modules/slow/inputs/in")'),
  });
  const connect = (moduleId: string) =>
    connectAsync(`mqtts://localhost:${box.broker.mqttPort}`, {
      ...credentialsOf(moduleId),
      clientId: `${deviceId}/${moduleId}`,
      clean: false,
      ca: box.ca,
      reconnectPeriod: 0,
    });
  const source = await connect('source');
  const count = 60;
  // More than a connection lets anybody leave unread.
  const filler = 'x'.repeat(100 * 1024);
  await Promise.all(Array.from({ length: count }, (_, n) => source.publishAsync(events, `${n} ${filler}`, { qos: 1 })));
  for (const [moduleId, qos] of [
    ['sink', 1],
    ['slow', 0],
  ] as const) {
    const client = await connect(moduleId);
    const numbers: number[] = [];
    client.on('message', (_topic, body) => void numbers.push(Number.parseInt(body.toString(), 10)));
    await client.subscribeAsync(`devices/${deviceId}/modules/${moduleId}/inputs/#`, { qos });
    await expect.poll(() => numbers.length, { timeout: 10_000 }).toBe(count);
    expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n));
    await client.endAsync();
  }
  await source.endAsync();
  expect(box.broker.counters()).toMatchObject({ violations: 0 });
});
