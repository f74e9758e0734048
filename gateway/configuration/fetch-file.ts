import { hash } from 'node:crypto';
import { GatewayError, NotConnectedError } from '../../model/error.ts';
import type { Wanted } from './assembly.ts';
import { mostFetchedBytes } from './desired.ts';
import { urlProblem } from './url.ts';

const withinMs = 30_000;
const mostRedirects = 3;

/**
 * Fetches one file, bounded in size and time, and holds it against its digest. Rejects with NotConnectedError where trying again may
 * help, else with a GatewayError `after-fix`.
 */
export async function fetchFile(
  { file, url, sha256 }: Wanted,
  signal: AbortSignal,
  limits = { withinMs, bytes: mostFetchedBytes },
): Promise<string> {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(limits.withinMs)]);
  const bytes = await download(file, url, bound, limits.bytes, mostRedirects);
  const found = hash('sha256', bytes, 'hex');
  if (found !== sha256) {
    throw new GatewayError(
      'config-digest',
      `${file}: ${shown(url)} gives ${bytes.length} bytes with SHA-256 ${found}, and ${sha256} is asked for`,
      {
        retry: 'after-fix',
        hint: 'the file was changed, or the digest is of another one',
      },
    );
  }
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

async function download(file: string, url: string, signal: AbortSignal, most: number, redirects: number): Promise<Uint8Array> {
  const problem = urlProblem(url);
  if (problem !== undefined) throw new GatewayError('config-url', `${file}: ${problem}`, { retry: 'after-fix' });
  try {
    // By hand: a redirect must keep to the same rules.
    const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/yaml, text/plain, */*' } });
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      if (redirects === 0) throw new GatewayError('config-url', `${file}: ${shown(url)} leads on and on`, { retry: 'after-fix' });
      return await download(file, new URL(location, url).href, signal, most, redirects - 1);
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      const busy = response.status >= 500 || response.status === 429 || response.status === 408;
      const message = `${file}: ${shown(url)} answers ${response.status} ${response.statusText}`.trimEnd();
      if (busy) throw new NotConnectedError('config-fetch', message, { retry: 'with-backoff' });
      throw new GatewayError('config-fetch', message, {
        retry: 'after-fix',
        hint: 'does the link still hold, and may this gateway read it?',
      });
    }
    return await bounded(file, response, most);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const cause = (error as Error).cause;
    const reason =
      (error as Error).name === 'TimeoutError' ? 'took too long' : cause instanceof Error ? cause.message : (error as Error).message;
    throw new NotConnectedError('config-fetch', `${file}: ${shown(url)} cannot be fetched: ${reason}`, {
      retry: 'with-backoff',
      cause: error,
    });
  }
}

async function bounded(file: string, response: Response, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > most)
      throw new GatewayError('config-fetch', `${file}: more than ${most} bytes; a mapping has at most 10 MB`, { retry: 'after-fix' });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Without the query: a link that needs no login often carries its right there. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
