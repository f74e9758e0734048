import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { GatewayError } from '../../model/error.ts';

/**
 * A folder that belongs to the user of the gateway and has these rights; made when it is not there. Whoever else owned it could put another socket in the
 * place of one of ours and answer modules in our name: it is taken over where that may be done (as root). Rejects with `workload-socket`.
 */
export async function ownFolder(path: string, mode: number): Promise<void> {
  const us = { uid: process.geteuid?.(), gid: process.getegid?.() };
  try {
    await mkdir(path, { recursive: true, mode });
    const { uid } = await stat(path);
    if (us.uid !== undefined && us.gid !== undefined && uid !== us.uid) await chown(path, us.uid, us.gid);
    await chmod(path, mode);
  } catch (cause) {
    const { code, syscall, message } = cause as NodeJS.ErrnoException;
    const others = syscall === 'chown' || (syscall === 'chmod' && code === 'EPERM');
    throw new GatewayError(
      'workload-socket',
      others
        ? `the folder ${path} of workload sockets belongs to another user than the gateway, who could answer modules in its place`
        : `the folder ${path} of workload sockets cannot be made: ${message}`,
      {
        retry: 'after-fix',
        hint: others
          ? 'remove it, so that the gateway makes it, or give it to the user of the gateway (chown)'
          : 'it must be on a local disk that allows sockets, writable for the user of the gateway, and not full',
        cause,
      },
    );
  }
}
