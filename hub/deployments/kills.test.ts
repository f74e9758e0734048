import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type Child, startChild } from '../../test/support/child.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { callHub } from '../commands/rest-call.ts';
import type { DatabaseSync } from '../database.ts';
import { addDevice, makeEdge, openRegistry } from '../registry.ts';
import { TwinStore } from '../twins.ts';
import { manifest } from './testcases/fleet.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const devices = Array.from({ length: 300 }, (_, n) => `gw-${n}`);
const kills = 4;
/** Until one of them hit between the first write and the last. */
const mostKills = 12;

/** Everything in it says which version it is. */
const versioned = (n: number) =>
  manifest(String(n), {
    routes: { version: `FROM /messages/* WHERE version = '${n}' INTO $upstream` },
    twins: { filter: { 'properties.desired': { version: n } } },
  });

function makeDevices(folder: string): void {
  using db = openRegistry(folder);
  db.exec('PRAGMA synchronous=OFF');
  for (const id of devices) {
    addDevice(db, id);
    makeEdge(db, id);
  }
}

async function startHub(folder: string): Promise<Child> {
  const child = startChild(process.execPath, [main, '--data', folder, '--mqtt', '0', '--https', '0']);
  await child.line(/"ready":true/);
  return child;
}

const deploy = (folder: string, n: number): Promise<unknown> =>
  callHub(folder, {
    method: 'PUT',
    path: `/configurations/v${n}`,
    right: 'registryWrite',
    body: { content: versioned(n), targetCondition: '*', priority: n },
  });

/** What each device is to run, by the twin of each of its modules: 0 for none. */
function versionsOn(db: DatabaseSync, count = devices.length): readonly (readonly number[])[] {
  const twins = new TwinStore(db);
  return devices.slice(0, count).map((id) => {
    const [agent, hub, filter] = ['$edgeAgent', '$edgeHub', 'filter'].map((module) =>
      JSON.stringify(twins.load(`${id}/${module}`).desired.properties),
    );
    return [
      /candyco\/filter:(\d+)/.exec(agent ?? '')?.[1],
      /version = '(\d+)'/.exec(hub ?? '')?.[1],
      /"version":(\d+)/.exec(filter ?? '')?.[1],
    ].map((found) => Number(found ?? 0));
  });
}

test(`kill -9 while deployments are written into twins, ${kills} times: every device has one of them, whole, and in the end the last`, async () => {
  using folder = tempFolder();
  makeDevices(folder.path);
  let last = 0;
  let halfway = 0;
  using db = openRegistry(folder.path);
  for (let kill = 0; kill < kills || (halfway === 0 && kill < mostKills); kill++) {
    const hub = await startHub(folder.path);
    const taken = deploy(folder.path, last + 1).then(
      () => true,
      () => false,
    );
    // Between the first of its writes and the last, or before or after them.
    const before = versionsOn(db)[0]?.[0];
    for (let look = 0; look < 200 && versionsOn(db, 1)[0]?.[0] === before; look++) await sleep(2);
    await sleep(kill * 5);
    hub.process.kill('SIGKILL');
    await hub.exited;
    await taken;
    const versions = versionsOn(db);
    for (const ofDevice of versions) expect(new Set(ofDevice).size, `a device has parts of two deployments: ${ofDevice}`).toBe(1);
    if (new Set(versions.map(([version]) => version)).size > 1) halfway++;
    last = Number(db.prepare('SELECT count(*) AS count FROM configurations').get()?.count);
  }
  await using _hub = await startHub(folder.path);
  await deploy(folder.path, last + 1);
  await expect.poll(() => new Set(versionsOn(db).flat()), { timeout: 30_000 }).toEqual(new Set([last + 1]));
  // It was not for nothing.
  expect(last).toBeGreaterThan(0);
  expect(halfway).toBeGreaterThan(0);
}, 240_000);

test('a configuration that was taken just before the end is carried out by the next hub', async () => {
  using folder = tempFolder();
  makeDevices(folder.path);
  {
    const hub = await startHub(folder.path);
    await deploy(folder.path, 1);
    hub.process.kill('SIGKILL');
    await hub.exited;
  }
  await using _hub = await startHub(folder.path);
  using db = openRegistry(folder.path);
  await expect.poll(() => new Set(versionsOn(db).flat()), { timeout: 30_000 }).toEqual(new Set([1]));
}, 120_000);
