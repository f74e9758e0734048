import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Child, startChild } from '../test/support/child.ts';
import { tempFolder } from '../test/support/temp.ts';
import { createDevice } from './access.ts';
import { callHub } from './commands/rest-call.ts';
import { hubFiles } from './folder.ts';
import { connectSimulatedDevice } from './simulator.ts';

const kills = 3;
const betweenMs = 1_200;

/** A device that subscribes once in its life, loses its link now and then, and does not acknowledge everything at the first time. */
class Device {
  readonly id: string;
  readonly accepted = { messages: new Set<string>(), desired: 0 };
  readonly received = new Set<string>();
  /** The last report that was answered with 204. */
  reported = 0;
  /** Connections that found no session though there was one. */
  forgotten = 0;
  connections = 0;
  readonly #key: string;
  #subscribed = false;
  #sequence = 0;

  constructor(folder: string, id: string) {
    this.id = id;
    const { authentication } = createDevice(folder, id);
    this.#key = authentication.type === 'sas' ? authentication.primaryKey : '';
  }

  async live(port: number, ca: string, calm: () => boolean, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#connection(port, ca, calm, signal).catch(() => {});
      await sleep(20);
    }
  }

  async #connection(port: number, ca: string, calm: () => boolean, signal: AbortSignal): Promise<void> {
    await using client = await connectSimulatedDevice({ port, ca, deviceId: this.id, key: this.#key });
    if (client.connack.returnCode !== 0) return;
    this.connections++;
    if (!this.#subscribed) {
      await client.subscribe(`devices/${this.id}/messages/devicebound/#`, 1);
      this.#subscribed = true;
    } else if (!client.connack.sessionPresent) this.forgotten++;
    const report = setInterval(() => {
      const topic = `$iothub/twin/PATCH/properties/reported/?$rid=${++this.#sequence}`;
      client.publish(topic, JSON.stringify({ sequence: this.#sequence }));
    }, 25);
    using _stop = { [Symbol.dispose]: () => clearInterval(report) };
    const endMs = Date.now() + randomInt(200, 900);
    while (!signal.aborted && (calm() || Date.now() < endMs)) {
      const got = await client.next('publish');
      const answered = /res\/204\/\?\$rid=(\d+)/.exec(got.topic)?.[1];
      if (answered !== undefined) this.reported = Math.max(this.reported, Number(answered));
      if (!got.topic.includes('/messages/devicebound/')) continue;
      this.received.add(got.payload.toString());
      if (!calm() && randomInt(6) === 0) return;
      client.send({ cmd: 'puback', messageId: got.messageId as number });
    }
  }
}

test(`over ${kills} kills of the hub: no session, no accepted message, no answered report and no desired property is lost`, async () => {
  using folder = tempFolder();
  let hub = await startHubProcess(folder.path, 0);
  const { port } = hub;
  const ca = readFileSync(hubFiles(folder.path).caCertificate, 'utf8');
  const devices = Array.from({ length: 8 }, (_, index) => new Device(folder.path, `gw-${index}`));
  const end = new AbortController();
  let calm = false;
  const lives = devices.map((device) => device.live(port, ca, () => calm, end.signal));
  const service = (async () => {
    for (let n = 1; !calm; n++) await send(folder.path, devices[n % devices.length] as Device, n).catch(() => sleep(20));
  })();
  for (let kill = 0; kill < kills; kill++) {
    await sleep(betweenMs);
    hub.process.kill('SIGKILL');
    await hub.exited;
    hub = await startHubProcess(folder.path, port);
  }
  await using _last = hub;
  await sleep(betweenMs);
  calm = true;
  await service;
  for (const device of devices) {
    await expect.poll(() => [...device.accepted.messages].filter((id) => !device.received.has(id)), { timeout: 5_000 }).toEqual([]);
    // Before the question: it goes on reporting.
    const { reported } = device;
    const { properties } = (await callHub(folder.path, { method: 'GET', path: `/twins/${device.id}` })) as {
      properties: { desired: { n: number }; reported: { sequence: number } };
    };
    expect(properties.reported.sequence).toBeGreaterThanOrEqual(reported);
    expect(properties.desired.n).toBeGreaterThanOrEqual(device.accepted.desired);
    expect(device.forgotten).toBe(0);
  }
  // It was not for nothing.
  expect(devices.reduce((sum, { connections }) => sum + connections, 0)).toBeGreaterThan(devices.length * kills);
  expect(devices.reduce((sum, { accepted }) => sum + accepted.messages.size, 0)).toBeGreaterThan(10);
  end.abort();
  await Promise.all(lives);
}, 60_000);

async function send(folder: string, { id, accepted }: Device, n: number): Promise<void> {
  const to = { 'iothub-to': `/devices/${id}/messages/devicebound` };
  await callHub(folder, { method: 'POST', path: '/messages/devicebound', headers: to, text: `m-${n}` });
  accepted.messages.add(`m-${n}`);
  const body = { properties: { desired: { n } } };
  await callHub(folder, { method: 'PATCH', path: `/twins/${id}`, headers: { 'if-match': '"*"' }, body });
  accepted.desired = n;
}

async function startHubProcess(folder: string, port: number): Promise<Child & { port: number }> {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = startChild(process.execPath, [main, '--data', folder, '--mqtt', String(port), '--https', '0']);
  const { mqtt } = JSON.parse(await child.line(/"ready":true/)) as { mqtt: number };
  return { ...child, port: mqtt };
}
