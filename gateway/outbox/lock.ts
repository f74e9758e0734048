import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';

/**
 * One process a folder. The lock is a listening socket inside the folder: the system lets go of it however the process ends, and it
 * works between containers that share a volume, where process ids say nothing. The file beside it only names the holder.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const nameFile = join(folder, 'lock');
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  const directory = process.platform === 'win32' ? undefined : openSync(folder, 'r');
  let closed = false;
  const close = (): void => {
    if (directory !== undefined && !closed) closeSync(directory);
    closed = true;
  };
  try {
    const server = await takeName(folder, directory);
    if (!server) throw held(folder, nameFile);
    server.unref();
    const release = async (): Promise<void> => {
      rmSync(nameFile, { force: true });
      await new Promise<void>((resolve) => server.close(() => resolve()));
      close();
    };
    try {
      writeFileSync(nameFile, `${process.pid}\n`);
    } catch (error) {
      // It only names the holder; a full disk is no reason not to start.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') {
        await release();
        throw error;
      }
    }
    return { [Symbol.asyncDispose]: release };
  } catch (error) {
    close();
    throw error;
  }
}

async function takeName(folder: string, directory: number | undefined): Promise<Server | undefined> {
  try {
    return await take(socketPath(folder, directory));
  } catch (error) {
    // FAT and some network shares know no sockets: a name without a file serves, within one network namespace.
    const { code = '' } = error as NodeJS.ErrnoException;
    if (process.platform !== 'linux' || !['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(code)) throw error;
    return listen(`\0dragoman-${hashOf(folder)}`);
  }
}

const hashOf = (folder: string): string => createHash('sha256').update(realpathSync(folder)).digest('hex').slice(0, 32);

/** Undefined when another process has it. */
async function take(path: string): Promise<Server | undefined> {
  const first = await listen(path);
  if (first) return first;
  if (await answers(path)) return undefined;
  // Left by a process that was killed. Moved away first: what is moved can be asked once more, what is removed cannot.
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return undefined;
  }
  if (await answers(aside)) {
    renameSync(aside, path);
    return undefined;
  }
  unlinkSync(aside);
  return listen(path);
}

/** A socket's path has at most 107 bytes; through the open folder a long one becomes short. */
function socketPath(folder: string, directory: number | undefined): string {
  if (directory === undefined) return `\\\\.\\pipe\\dragoman-${hashOf(folder)}`;
  const path = join(folder, 'lock.socket');
  return process.platform === 'linux' && Buffer.byteLength(path) > 80 ? `/proc/self/fd/${directory}/lock.socket` : path;
}

/** Undefined when the name is taken. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(path, () => resolve(server));
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EACCES' ? reject(error) : resolve(error.code === 'EAGAIN')));
  });
}

function held(folder: string, nameFile: string): GatewayError {
  let holder = 'another process';
  try {
    holder = `process ${readFileSync(nameFile, 'utf8').trim()}`;
  } catch {
    // It is starting just now, or stopping.
  }
  return new GatewayError('outbox-in-use', `${folder}: the outbox is in use by ${holder}`, {
    retry: 'after-fix',
    hint: 'Stop the other gateway, or give this one an outbox folder of its own.',
  });
}
