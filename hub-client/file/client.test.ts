import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { hubClientContract } from '../../test/contract/hub-client.ts';
import { tempFolder } from '../../test/support/temp.ts';
import type { HubClientKind } from '../contract.ts';
import { connect } from './client.ts';
import { type FileSettings, file } from './definition.ts';
import { idsIn, TestDisk } from './testcases/support.ts';

let disk = new TestDisk();
const onTestDisk: HubClientKind<FileSettings> = {
  ...file,
  load: async () => ({ connect: (settings, context, signal) => connect(settings, context, signal, disk) }),
};

const share = async () => {
  disk = new TestDisk();
  const temp = tempFolder();
  const mounted = join(temp.path, 'share');
  const folder = join(mounted, 'out');
  mkdirSync(mounted);
  return { temp, mounted, folder };
};

hubClientContract(
  'file, a disk that can be stopped',
  onTestDisk,
  async () => {
    const { temp, mounted, folder } = await share();
    return {
      files: {},
      bench: {
        settings: file.settings.parse({ folder }),
        taken: async () => idsIn(folder),
        stall: () => disk.stall(),
        // A share that goes away: what is under way fails, and the folder is not there any more.
        cut() {
          renameSync(mounted, `${mounted}-gone`);
          disk.fail('EIO');
        },
        place: /share\/out/,
        async [Symbol.asyncDispose]() {
          disk.recover();
          temp[Symbol.dispose]();
        },
      },
    };
  },
  { 'renews its credentials without losing or reordering a message': 'files need no credentials' },
);
