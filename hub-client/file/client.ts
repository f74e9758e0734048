import { NotConnectedError } from '../../model/error.ts';
import type { HubContext, HubSession } from '../contract.ts';
import type { FileSettings } from './definition.ts';
import { diskError } from './disk-error.ts';
import { FileNames } from './file-name.ts';
import { ownFiles, prepareFolder, prune, recover } from './folder.ts';
import { realDisk } from './part-file.ts';
import { FileSession } from './session.ts';

/** Folders that a session of this process writes to: a second one would finish the files of the first. */
const inUse = new Set<string>();

/** Opens the folder and finishes what an earlier life left there. See the contract for what it rejects with. */
export async function connect(settings: FileSettings, context: HubContext, signal: AbortSignal, disk = realDisk): Promise<HubSession> {
  const folder = context.resolve(settings.folder);
  const { log } = context;
  const names = new FileNames(settings.name, context.gateway);
  if (signal.aborted) throw new NotConnectedError('hub-connect-stopped', `Opening ${folder} was stopped.`, { retry: 'with-backoff' });
  if (inUse.has(folder)) throw shared(folder);
  inUse.add(folder);
  try {
    await prepareFolder(folder);
    const files = await ownFiles(folder, names);
    await recover(folder, files, settings.compression, log);
    await prune(folder, names, settings.keep, Date.now(), log);
    return new FileSession({
      folder,
      names,
      sequence: Math.max(0, ...files.map(({ sequence }) => sequence)) + 1,
      window: settings.window,
      maxBodyBytes: settings.maxMessage,
      rotate: settings.rotate,
      keep: settings.keep,
      compression: settings.compression,
      disk,
      log,
      release: () => void inUse.delete(folder),
    });
  } catch (error) {
    inUse.delete(folder);
    throw diskError(error, 'Opening', folder);
  }
}

const shared = (folder: string): NotConnectedError =>
  new NotConnectedError('hub-folder', `${folder} is in use: another destination writes there, or an earlier write still hangs.`, {
    retry: 'with-backoff',
    hint: 'Give each destination a folder of its own. A network share that does not answer makes a write hang.',
  });
