import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createDevice } from '../../../hub/access.ts';
import { silentLog } from '../../../hub/log.ts';
import { startHub } from '../../../hub/server.ts';
import { type Child, startChild } from '../../../test/support/child.ts';
import { freePort } from '../../../test/support/ports.ts';
import { tempFolder } from '../../../test/support/temp.ts';
import { pause } from '../../pause.ts';
import { boxDevice, eventsOf, messageOf, openBox, placeAt } from './testing/box.ts';

const kills = 3;
const modules = ['a', 'b', 'c'];

test(`over ${kills} kills of the hub no message that was taken is lost, each module's own stay in order, and reports arrive`, async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(tempFolder());
  const [mqttPort, httpsPort] = [await freePort(), await freePort()];
  let hub = await startProcess(folder.path, mqttPort, httpsPort);
  stack.defer(() => hub[Symbol.asyncDispose]());
  createDevice(folder.path, boxDevice, { edge: true });
  const box = stack.use(await openBox(placeAt({ folder: folder.path, httpsPort })));
  await box.run(modules);

  const taken = new Map(modules.map((module) => [module, 0]));
  const calm = new AbortController();
  // As the module broker does it: one after the other, again after each failure.
  const senders = modules.map(async (module) => {
    for (let n = 1; !calm.signal.aborted; ) {
      try {
        await box.upstream.sender.send(messageOf(module, JSON.stringify({ module, n })));
        taken.set(module, n++);
        box.upstream.reportAgent({ modules: Object.fromEntries(taken) });
      } catch {
        await pause(20, calm.signal);
      }
    }
  });
  for (let kill = 0; kill < kills; kill++) {
    const before = new Map(taken);
    await expect
      .poll(() => modules.every((module) => taken.get(module)! > before.get(module)! + 3), { interval: 20, timeout: 20_000 })
      .toBe(true);
    hub.process.kill('SIGKILL');
    await hub.exited;
    hub = await startProcess(folder.path, mqttPort, httpsPort);
  }
  const before = new Map(taken);
  await expect
    .poll(() => modules.every((module) => taken.get(module)! > before.get(module)!), { interval: 20, timeout: 20_000 })
    .toBe(true);
  calm.abort();
  await Promise.all(senders);
  const reported = { modules: Object.fromEntries(taken) };
  await box.upstream.reportModule('a', { last: taken.get('a') });
  hub.process.kill('SIGKILL');
  await hub.exited;

  const opened = stack.use(await startHub({ folder: folder.path, mqttPort, httpsPort, log: silentLog }));
  const at = (moduleId: string) => opened.core.twins.get({ deviceId: boxDevice, moduleId })!.properties.reported;
  await expect.poll(() => at('$edgeAgent'), { interval: 20, timeout: 20_000 }).toMatchObject(reported);
  expect(at('a')).toMatchObject({ last: taken.get('a') });
  for (const module of modules) {
    const all = eventsOf({ hub: opened }).filter(({ annotations }) => annotations['iothub-connection-module-id'] === module);
    const numbers = [...new Set(all.map(({ body }) => (JSON.parse(Buffer.from(body).toString()) as { n: number }).n))];
    expect(numbers).toEqual(Array.from({ length: Math.max(numbers.length, taken.get(module)!) }, (_, index) => index + 1));
  }
}, 90_000);

async function startProcess(folder: string, mqttPort: number, httpsPort: number): Promise<Child> {
  const main = fileURLToPath(new URL('../../../hub/main.ts', import.meta.url));
  const child = startChild(process.execPath, [main, '--data', folder, '--mqtt', String(mqttPort), '--https', String(httpsPort)]);
  await child.line(/"ready":true/);
  return child;
}
