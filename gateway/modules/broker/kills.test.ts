import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { connectSimulatedDevice } from '../../../hub/simulator.ts';
import { issue, makeCa } from '../../../test/support/certificates.ts';
import { type Child, startChild } from '../../../test/support/child.ts';
import { freePort } from '../../../test/support/ports.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { deviceId, hubHost, identityOf } from './testing/box.ts';

const kills = 3;
const betweenMs = 900;
const sources = ['a', 'b', 'c', 'd'];

async function startBroker(folder: string, port: number): Promise<Child> {
  const main = fileURLToPath(new URL('./testing/broker-process.ts', import.meta.url));
  const routes = ['FROM /messages/* INTO $upstream', 'FROM /messages/* INTO BrokeredEndpoint("/modules/sink/inputs/in")'];
  const child = startChild(process.execPath, [main, folder, String(port), ...routes]);
  await child.line(/^ready/);
  return child;
}

/** The numbers of one source in the order in which they came for the first time. */
function firstOf(lines: Iterable<string>, source: string): readonly number[] {
  const own = [...lines].filter((line) => line.startsWith(`${source} `)).map((line) => Number(line.split(' ')[1]));
  return [...new Set(own)];
}

test(`over ${kills} kills of the broker everything acknowledged arrives at both ends, in order, and no subscription is forgotten`, async () => {
  using folder = tempFolder();
  const ca = await makeCa();
  const { certificate, privateKey } = await issue(ca, { commonName: 'localhost' });
  writeFileSync(join(folder.path, 'server.pem'), certificate);
  writeFileSync(join(folder.path, 'server.key'), privateKey);
  const port = await freePort();
  const acknowledged = new Map<string, number>(sources.map((source) => [source, 0]));
  const arrived: string[] = [];
  const sessions: boolean[] = [];
  const end = new AbortController();
  let calm = false;
  const connect = (moduleId: string) =>
    connectSimulatedDevice({ port, ca: ca.certificate, deviceId, moduleId, key: identityOf(moduleId).primaryKey, host: hubHost });

  async function again(life: () => Promise<void>): Promise<void> {
    while (!end.signal.aborted) {
      await life().catch(() => {});
      await sleep(20);
    }
  }
  const send = (source: string) =>
    again(async () => {
      await using client = await connect(source);
      while (!calm && !end.signal.aborted) {
        const next = (acknowledged.get(source) as number) + 1;
        await client.telemetry(`${source} ${next}`);
        acknowledged.set(source, next);
      }
    });
  let subscribed = false;
  const receive = again(async () => {
    await using client = await connect('sink');
    if (subscribed) sessions.push(client.connack.sessionPresent);
    else await client.subscribe(`devices/${deviceId}/modules/sink/inputs/#`, 1);
    subscribed = true;
    end.signal.addEventListener('abort', () => client.socket.destroy(), { once: true });
    for (;;) {
      const { payload, messageId } = await client.next('publish');
      arrived.push(payload.toString());
      client.send({ cmd: 'puback', messageId: messageId as number });
    }
  });
  let broker = await startBroker(folder.path, port);
  const lives = sources.map(send);
  for (let kill = 0; kill < kills; kill++) {
    await sleep(betweenMs);
    broker.process.kill('SIGKILL');
    await broker.exited;
    broker = await startBroker(folder.path, port);
  }
  await using _broker = broker;
  await sleep(betweenMs / 3);
  calm = true;
  const upstream = (): readonly string[] => readFileSync(join(folder.path, 'upstream.txt'), 'utf8').split('\n');
  const all = (lines: Iterable<string>): boolean => {
    const seen = new Set(lines);
    return [...acknowledged].every(([source, count]) =>
      Array.from({ length: count }, (_, n) => `${source} ${n + 1}`).every((line) => seen.has(line)),
    );
  };
  await expect.poll(() => all(arrived) && all(upstream()), { timeout: 15_000 }).toBe(true);
  end.abort();
  await Promise.all([...lives, receive]);
  for (const [source, count] of acknowledged) {
    expect(count).toBeGreaterThan(kills);
    for (const lines of [arrived, upstream()]) {
      const first = firstOf(lines, source);
      expect(first).toEqual([...first].sort((a, b) => a - b));
    }
  }
  expect(sessions.length).toBeGreaterThanOrEqual(kills);
  expect(new Set(sessions)).toEqual(new Set([true]));
}, 60_000);
