import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { NotConnectedError } from '../../model/error.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { ModuleIdentity } from '../contract.ts';
import { fileKeyStore } from '../key-store.ts';
import { localIdentitySource } from './local-source.ts';
import { type IdentitySource, ModuleIdentities } from './module-identities.ts';

/** A hub that knows modules, and can be away. */
class Hub implements IdentitySource {
  readonly modules = new Map<string, ModuleIdentity>();
  away = false;
  asked = 0;
  #generation = 0;

  async create(moduleId: string): Promise<ModuleIdentity> {
    this.#answer();
    const known = this.modules.get(moduleId);
    if (known) return known;
    const key = Buffer.alloc(32, ++this.#generation).toString('base64');
    const made = { deviceId: 'gw-1', moduleId, generationId: String(this.#generation), primaryKey: key, secondaryKey: key };
    this.modules.set(moduleId, made);
    return made;
  }

  async delete(moduleId: string): Promise<void> {
    this.#answer();
    this.modules.delete(moduleId);
  }

  #answer(): void {
    this.asked++;
    if (this.away) throw new NotConnectedError('hub-away', 'the hub is away', { retry: 'with-backoff' });
  }
}

const open = (folder: string, source: IdentitySource, deviceId = 'gw-1'): Promise<ModuleIdentities> =>
  ModuleIdentities.open({ store: fileKeyStore(folder), deviceId, source });

test('an identity is on disk, for the owner alone, before anybody has it; a start without the hub uses it', async () => {
  using folder = tempFolder();
  const hub = new Hub();
  const made = await (await open(folder.path, hub)).ensure('filter');
  const file = join(folder.path, 'identities.json');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  hub.away = true;
  const offline = await open(folder.path, hub);
  expect(await offline.ensure('filter')).toEqual(made);
  await expect(offline.ensure('other')).rejects.toMatchObject({ code: 'hub-away' });
  expect(offline.names()).toEqual(['filter']);
});

test('when the link returns the hub wins: a changed key and a new generation are taken over', async () => {
  using folder = tempFolder();
  const hub = new Hub();
  const identities = await open(folder.path, hub);
  for (const name of ['a', 'b', 'c']) await identities.ensure(name);
  expect(await identities.refresh()).toEqual({ changed: [], failed: [] });
  const rolled = { ...(identities.get('b') as ModuleIdentity), primaryKey: Buffer.alloc(32, 9).toString('base64') };
  hub.modules.set('b', rolled);
  hub.modules.delete('c');
  expect(await identities.refresh()).toEqual({ changed: ['b', 'c'], failed: [] });
  expect((await open(folder.path, hub)).get('b')).toEqual(rolled);
  expect(identities.get('c')?.generationId).toBe('4');
});

test('a module removed while the hub is away is deleted there later, and made anew only after that', async () => {
  using folder = tempFolder();
  const hub = new Hub();
  const identities = await open(folder.path, hub);
  await identities.ensure('a');
  await identities.ensure('b');
  hub.away = true;
  await identities.remove('a');
  await identities.remove('b');
  expect(identities.names()).toEqual([]);
  hub.away = false;
  const again = await open(folder.path, hub);
  expect((await again.ensure('a')).generationId).toBe('3');
  await again.refresh();
  expect([...hub.modules.keys()]).toEqual(['a']);
});

test('a refresh stops at the first that finds the hub away', async () => {
  using folder = tempFolder();
  const hub = new Hub();
  const identities = await open(folder.path, hub);
  for (const name of ['a', 'b', 'c']) await identities.ensure(name);
  hub.away = true;
  hub.asked = 0;
  expect((await identities.refresh()).failed).toHaveLength(1);
  expect(hub.asked).toBe(1);
});

test.for([
  { rule: 'another device', wrong: { deviceId: 'gw-2' } },
  { rule: 'another module', wrong: { moduleId: 'b' } },
  { rule: 'no generation', wrong: { generationId: '' } },
  { rule: 'a short key', wrong: { primaryKey: 'c2VjcmV0' } },
  { rule: 'no Base64', wrong: { secondaryKey: 'not base64 at all, not at all' } },
])('what a lying hub gives is refused without quoting keys: $rule', async ({ wrong }) => {
  using folder = tempFolder();
  const hub = new Hub();
  const identities = await open(folder.path, hub);
  const good = await identities.ensure('a');
  hub.modules.set('a', { ...good, ...wrong });
  const { failed } = await identities.refresh();
  expect(failed).toMatchObject([{ module: 'a', error: { code: 'identity-refused' } }]);
  for (const key of [wrong.primaryKey, wrong.secondaryKey]) if (key) expect(failed[0]?.error.message).not.toContain(key);
  expect(identities.get('a')).toEqual(good);
});

test('a disk that refuses gives no identity out that a restart would forget', async () => {
  using folder = tempFolder();
  const identities = await open(folder.path, new Hub());
  const part = join(folder.path, 'identities.json');
  mkdirSync(part);
  await expect(identities.ensure('a')).rejects.toThrow();
  expect(identities.get('a')).toBeUndefined();
  rmSync(part, { recursive: true });
  await identities.ensure('a');
  expect((await open(folder.path, new Hub())).names()).toEqual(['a']);
});

test('a damaged file is told without its content; one of another device is left out', async () => {
  using folder = tempFolder();
  const file = join(folder.path, 'identities.json');
  const local = localIdentitySource('gw-1');
  await (await open(folder.path, local)).ensure('a');
  expect((await open(folder.path, local, 'gw-2')).names()).toEqual([]);
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, -20));
  const error = await open(folder.path, local).catch((caught: unknown) => caught as Error & { code: string; cause?: unknown });
  expect(error).toMatchObject({ code: 'identities-damaged', cause: undefined });
});

test('many at once are all on disk; identities of this box alone stay as they are over a refresh', async () => {
  using folder = tempFolder();
  const identities = await open(folder.path, localIdentitySource('gw-1'));
  const names = Array.from({ length: 50 }, (_, index) => `m${index}`);
  const made = await Promise.all(names.map((name) => identities.ensure(name)));
  expect(await identities.refresh()).toEqual({ changed: [], failed: [] });
  const again = await open(folder.path, localIdentitySource('gw-1'));
  expect(names.map((name) => again.get(name))).toEqual(made);
  expect(new Set(made.map(({ primaryKey }) => primaryKey)).size).toBe(50);
  await again.remove('m0');
  expect((await again.ensure('m0')).generationId).not.toBe(made[0]?.generationId);
});
