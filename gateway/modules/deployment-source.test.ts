import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DeploymentFile } from '../../deployments/agent/deployment-file.ts';
import { manifestOf, spec } from '../../deployments/agent/testing/rig.ts';
import { fileKeyStore } from '../../deployments/key-store.ts';
import { writeManifest } from '../../deployments/manifest/write-manifest.ts';
import { silentLog } from '../../hub/log.ts';
import { tempFolder } from '../../test/support/temp.ts';
import { digestOf, isOvertaken, moveSource } from './deployment-source.ts';

const said = digestOf({ agent: { modules: {} }, hub: {} });
const status = { code: 200, description: '' };

/** The data folder of a version before, as it wrote it. */
function formerFolder(folder: string, { deploymentFrom, sourceFrom }: { deploymentFrom: string; sourceFrom: string }) {
  const [keys, agent] = [join(folder, 'keys'), join(folder, 'agent')];
  for (const made of [keys, agent]) mkdirSync(made);
  const manifest = writeManifest(manifestOf(spec('score')));
  const stored = { manifest, version: 3, from: deploymentFrom, status, open: false, begun: 0 };
  writeFileSync(join(agent, 'deployment.json'), JSON.stringify(stored));
  writeFileSync(join(keys, 'deployment-source.json'), JSON.stringify({ from: sourceFrom, hub: said }));
  return { store: fileKeyStore(keys), agent, former: join(keys, 'deployment-source.json') };
}

test('a data folder of a version before keeps its deployment, and who had the last word; also over a kill in between', async () => {
  using folder = tempFolder();
  const { store, agent, former } = formerFolder(folder.path, { deploymentFrom: 'command', sourceFrom: 'command' });
  const before = readFileSync(former);
  for (let start = 0; start < 2; start++) {
    await moveSource(store, agent, silentLog);
    expect(existsSync(former)).toBe(false);
    const deployment = await new DeploymentFile(agent, silentLog).read();
    expect([...deployment!.manifest.modules.keys()]).toEqual(['score']);
    expect(deployment).toMatchObject({ version: 3, from: 'command', status, hubSaid: said });
    expect(isOvertaken({ from: deployment!.from, hubSaid: deployment!.hubSaid }, said)).toBe(true);
    // Killed before the former file was gone.
    writeFileSync(former, before);
  }
});

test('where a kill came between the two files the hub may say it once more', async () => {
  using folder = tempFolder();
  const { store, agent, former } = formerFolder(folder.path, { deploymentFrom: 'command', sourceFrom: 'hub' });
  await moveSource(store, agent, silentLog);
  expect(existsSync(former)).toBe(false);
  expect((await new DeploymentFile(agent, silentLog).read())?.hubSaid).toBeUndefined();
});

test('a folder without a deployment, and one that is of this version, are left as they are', async () => {
  using folder = tempFolder();
  await moveSource(fileKeyStore(join(folder.path, 'keys')), join(folder.path, 'agent'), silentLog);
  expect(existsSync(join(folder.path, 'agent'))).toBe(false);
});

test.for([
  { from: 'command', hubSaid: said, now: said, overtaken: true },
  { from: 'command', hubSaid: said, now: 'something new', overtaken: false },
  { from: 'hub', hubSaid: said, now: said, overtaken: false },
  { from: undefined, hubSaid: said, now: said, overtaken: false },
  { from: 'command', hubSaid: undefined, now: said, overtaken: false },
])('of $from, with $hubSaid known, $now is overtaken: $overtaken', ({ from, hubSaid, now, overtaken }) => {
  expect(isOvertaken({ from, hubSaid }, now)).toBe(overtaken);
});
