import { GatewayError } from '../../model/error.ts';

const texts: Readonly<Record<string, readonly [code: string, what: string, hint: string]>> = {
  overflow: [
    'outbox-overflow',
    'readings come faster than the disk takes them; the newest were dropped',
    'The disk is too slow or stuck: look at it, or read fewer points.',
  ],
  refused: [
    'outbox-full',
    'the outbox is full and refuses new readings',
    'Bring the hub back, raise outbox.maxSize, or set outbox.whenFull: drop-oldest.',
  ],
  'disk-full': [
    'disk-full',
    'no room is left on the disk; new readings were dropped',
    'Free space on this disk; the outbox goes on by itself.',
  ],
  'disk-error': [
    'disk-error',
    'the disk does not take new readings; they were dropped',
    'Check the disk and how it is mounted (a failing card often turns read-only).',
  ],
  closed: ['outbox-closed', 'the outbox was closed before this was written', 'The gateway is stopping.'],
};

/**
 * A rejected promise that nobody has to handle. One error serves until the next tick of 100 ms: an overload must not
 * cost a stack trace for each event.
 */
export function refusal(cause: string, folder: string, detail: string | undefined): Promise<void> {
  const key = `${cause} ${folder} ${detail}`;
  const now = performance.now();
  if (recent && recent.key === key && now < recent.untilMs) return recent.promise;
  const [code, what, hint] = texts[cause] ?? texts['disk-error']!;
  const promise = Promise.reject(
    new GatewayError(code, `${folder}: ${what}${detail === undefined ? '' : ` (${detail})`}`, {
      retry: code === 'outbox-closed' ? 'never' : 'with-backoff',
      hint,
    }),
  );
  promise.catch(() => {});
  recent = { key, untilMs: now + 100, promise };
  return promise;
}

let recent: { readonly key: string; readonly untilMs: number; readonly promise: Promise<void> } | undefined;

/** Why the outbox does not open, as an error that names the folder. */
export function cannotOpen(folder: string, cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const { code, message } = cause as { code?: string; message: string };
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM')
    return new GatewayError('outbox-read-only', `${folder}: the outbox may not be written there (${message})`, {
      retry: 'after-fix',
      hint: 'Mount the folder writable and give it to the user that the gateway runs as.',
      cause,
    });
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new GatewayError(full ? 'disk-full' : 'outbox-broken', `${folder}: the outbox does not open (${message})`, {
    retry: 'after-fix',
    hint: full ? 'Free 64 KiB or more on this disk.' : 'Check the disk; the folder can be moved aside, what it holds is lost then.',
    cause,
  });
}
