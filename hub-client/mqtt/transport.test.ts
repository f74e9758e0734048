import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { createServer } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { hubContext, hubMessage } from '../../test/contract/hub-client.ts';
import { capability, titled } from '../../test/support/capabilities.ts';
import { issue, makeCa } from '../../test/support/certificates.ts';
import { startMosquitto } from '../../test/support/mosquitto.ts';
import { freePort } from '../../test/support/ports.ts';
import type { HubSession } from '../contract.ts';
import { connect } from './client.ts';
import { mqtt } from './definition.ts';
import { startPlainMosquitto, watch } from './testcases/brokers.ts';

const mosquitto = capability('mosquitto');
const open = (settings: object, files: Readonly<Record<string, string>> = {}): Promise<HubSession> =>
  connect(mqtt.settings.parse({ topic: 'a/b', ...settings }), hubContext('.', files), new AbortController().signal);

describe.skipIf(!mosquitto.ok)(titled('ways to mosquitto', mosquitto), () => {
  test('mqtts: with the root of the broker, and not without', async () => {
    await using broker = await startMosquitto();
    const url = `mqtts://localhost:${broker.port}`;
    {
      await using session = await open({ url, ca: 'ca' }, { ca: broker.ca.certificate });
      await session.send(hubMessage('m-1', 'body'));
      expect(await broker.seen(2)).toEqual([expect.stringMatching(/^candyco\/leeds\/gw-test-1\/status /), 'a/b 4']);
    }
    await expect(open({ url })).rejects.toMatchObject({ code: 'hub-tls-untrusted', hint: expect.stringContaining('ca:') });
    const other = await makeCa();
    await expect(open({ url, ca: 'ca' }, { ca: other.certificate })).rejects.toMatchObject({ code: 'hub-tls-untrusted' });
    await expect(open({ url, ca: 'ca' }, { ca: 'none' })).rejects.toMatchObject({ code: 'hub-certificate', retry: 'after-fix' });
  });

  test('ws and wss, in order, over each version', async () => {
    const webPort = await freePort();
    await using broker = await startPlainMosquitto([`listener ${webPort} 127.0.0.1`, 'protocol websockets']);
    await using watcher = await watch(broker.port, 5, 'a/b');
    const ca = await makeCa();
    const { certificate: cert, privateKey: key } = await issue(ca, { commonName: 'localhost' });
    // mosquitto gets its TLS from a stranger, as behind most load balancers.
    await using front = createServer({ cert, key }, (near) => {
      const far = connectTcp(webPort, '127.0.0.1');
      for (const socket of [near, far]) socket.on('error', () => {});
      near.pipe(far).pipe(near);
    }).listen(0, '127.0.0.1');
    await once(front, 'listening');
    const urls = [`ws://127.0.0.1:${webPort}/mqtt`, `wss://localhost:${(front.address() as AddressInfo).port}/mqtt`];
    const ids: string[] = [];
    for (const url of urls) {
      for (const version of ['5', '3.1.1']) {
        await using session = await open({ url, version, ...(url.startsWith('wss') ? { ca: 'ca' } : {}) }, { ca: ca.certificate });
        await Promise.all(
          Array.from({ length: 30 }, (_, i) => {
            ids.push(`${url}${version}-${i}`);
            return session.send(hubMessage('m', `${url}${version}-${i}`.padEnd(i % 2 === 0 ? 100_000 : 0)));
          }),
        );
      }
    }
    const seen = await watcher.until((messages) => messages.length >= ids.length);
    expect(seen.map(({ payload }) => String(payload).trimEnd())).toEqual(ids);
    await expect(open({ url: urls[1] })).rejects.toMatchObject({ code: 'hub-tls-untrusted', retry: 'after-fix' });
  });
});
