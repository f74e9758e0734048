import { GatewayError, NotConnectedError } from '../../model/error.ts';

/** What the file system said, as the person at the gateway should read it. `path` is what was being done to. */
export function diskError(error: unknown, doing: string, path: string): GatewayError {
  if (error instanceof GatewayError) return error;
  const { code, message } = (error ?? {}) as { code?: string; message?: string };
  const says = (what: string): string => `${doing} ${path} failed: ${what}${code ? ` (${code})` : ''}.`;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new NotConnectedError('hub-disk-full', says(code === 'ENOSPC' ? 'the disk is full' : 'the quota of this user is used up'), {
        retry: 'with-backoff',
        hint: 'Make room: fetch and delete finished files, or set keep: in the settings. Readings stay in the outbox meanwhile.',
        cause: error,
      });
    case 'EROFS':
      return fix(
        'hub-folder',
        says('the file system is read-only'),
        'Mount it for writing; after a disk error Linux mounts it read-only by itself.',
        error,
      );
    case 'EACCES':
    case 'EPERM':
      return fix(
        'hub-folder',
        says('this user may not'),
        `Give the user of the gateway (uid ${process.getuid?.() ?? '?'}) the right to write there.`,
        error,
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return fix('hub-folder', says('something there is a file and not a folder'), 'Write another folder:, or move that file away.', error);
    case 'ENAMETOOLONG':
      return fix('hub-folder', says('the name is too long'), 'Shorten name: in the settings.', error);
    case 'ENOENT':
    case 'ESTALE':
      return new NotConnectedError('hub-folder', says('the folder, or the one it is in, is not there'), {
        retry: 'with-backoff',
        hint: 'A share or disk that is not mounted looks like this. The gateway makes the last folder itself, and none above it.',
        cause: error,
      });
    default:
      return new NotConnectedError('hub-disk', says(message ?? String(error)), { retry: 'with-backoff', cause: error });
  }
}

const fix = (code: string, message: string, hint: string, cause: unknown): GatewayError =>
  new GatewayError(code, message, { retry: 'after-fix', hint, cause });
