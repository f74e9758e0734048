import { once } from 'node:events';
import { chmod, rename, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';
import { ownFolder } from './own-folder.ts';

/** `sun_path` of Linux has 108 bytes with the zero at its end. */
const longestPath = 107;
export const socketName = 'workload.sock';

/** More requests than this at once are closed without an answer, as the reference does. */
export const mostRequests = 10;
/** Idle connections among them: a module that opens more is closed. */
const mostConnections = 64;

export interface SocketRights {
  /** Of the socket. Default 0o666: a container runs as any user, and its folder is mounted into that container alone. */
  readonly mode: number;
}

/** A server on one unix socket file. */
export interface WorkloadSocket extends AsyncDisposable {
  readonly path: string;
}

/**
 * Listens on `workload.sock` in `folder`, which is made. What a killed gateway left behind is replaced in one step: a module sees the old file or the
 * new one, and never one whose rights are not set yet. Rejects with `workload-socket-path` (too long), `workload-socket-busy` (somebody answers there),
 * `workload-socket` (the disk says no).
 */
export async function listenOn(
  folder: string,
  rights: SocketRights,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<WorkloadSocket> {
  const path = join(folder, socketName);
  checkLength(path);
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024 }, limited(handle));
  server.maxConnections = mostConnections;
  try {
    await ownFolder(folder, 0o755);
    if (await answers(path)) {
      throw new GatewayError('workload-socket-busy', `another process answers on the workload socket ${path}`, {
        retry: 'after-fix',
        hint: 'another gateway runs on this data folder; stop it',
      });
    }
    const fresh = join(folder, 'workload.new');
    await rm(fresh, { force: true });
    server.listen(fresh);
    await once(server, 'listening');
    await chmod(fresh, rights.mode);
    await rename(fresh, path);
  } catch (cause) {
    server.close();
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('workload-socket', `the workload socket ${path} cannot be made: ${(cause as Error).message}`, {
      retry: 'after-fix',
      hint: 'the folder must be on a local disk that allows sockets, writable for the user of the gateway, and not full',
      cause,
    });
  }
  const { ino } = await stat(path);
  return { path, [Symbol.asyncDispose]: () => close(server, path, ino) };
}

function checkLength(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= longestPath) return;
  throw new GatewayError(
    'workload-socket-path',
    `the path of the workload socket has ${bytes} bytes, and ${longestPath} is the most: ${path}`,
    {
      retry: 'after-fix',
      hint: 'set a shorter folder for the sockets of modules, such as /run/dragoman',
    },
  );
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function limited(handle: (request: IncomingMessage, response: ServerResponse) => void): typeof handle {
  let running = 0;
  return (request, response) => {
    if (running >= mostRequests) {
      request.socket.destroy();
      return;
    }
    running++;
    response.once('close', () => {
      running--;
    });
    handle(request, response);
  };
}

async function close(server: Server, path: string, ino: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
  // One that somebody else put there since is theirs.
  const there = await stat(path).catch(() => undefined);
  if (there?.ino === ino) await rm(path, { force: true });
}
