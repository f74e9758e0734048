import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../../model/error.ts';

/** The secret of the local API: whoever may read the data folder may call methods. Made once. */
export async function apiToken(dataFolder: string): Promise<string> {
  const file = join(dataFolder, 'api-token');
  const known = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (known.length >= 32) return known;
  const token = randomBytes(32).toString('base64url');
  await mkdir(dataFolder, { recursive: true });
  await writeFile(`${file}.part`, `${token}\n`, { mode: 0o600, flush: true });
  await rename(`${file}.part`, file);
  return token;
}

/** Where the running gateway listens, for commands on this machine. */
export async function tellAddress(dataFolder: string, url: string): Promise<void> {
  const file = join(dataFolder, 'api-url');
  await writeFile(`${file}.part`, `${url}\n`, { mode: 0o600 });
  await rename(`${file}.part`, file);
}

/** Calls a method of the gateway that runs on this data folder. Rejects with a GatewayError when none answers. */
export async function callGateway(
  dataFolder: string,
  name: string,
  payload: unknown,
): Promise<{ readonly status: number; readonly payload: unknown }> {
  const read = async (file: string): Promise<string> => {
    try {
      return (await readFile(join(dataFolder, file), 'utf8')).trim();
    } catch (cause) {
      throw new GatewayError('gateway-unknown', `no gateway has run on ${dataFolder} yet: ${file} cannot be read`, {
        retry: 'after-fix',
        hint: 'name its data folder with --data, and call as the user that the gateway runs as',
        cause,
      });
    }
  };
  const [url, token] = [await read('api-url'), await read('api-token')];
  let response: Response;
  try {
    response = await fetch(
      `${url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')}/methods/${encodeURIComponent(name)}`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(payload !== undefined && { body: JSON.stringify(payload) }),
        signal: AbortSignal.timeout(60_000),
      },
    );
  } catch (cause) {
    throw new GatewayError('gateway-silent', `the gateway does not answer at ${url}: ${reasonOf(cause)}`, {
      retry: 'after-fix',
      hint: 'is it running? dragoman run --config dragoman.yaml',
      cause,
    });
  }
  return { status: response.status, payload: await response.json() };
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
