import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';

/** An answer that is not the one asked for; its message goes to the caller. */
export class Refusal extends Error {
  readonly status: 400 | 403 | 404 | 405 | 413;

  constructor(status: Refusal['status'], message: string) {
    super(message);
    this.status = status;
  }
}

/** Oldest first; dates compare as text. */
export const apiVersions = ['2018-06-28', '2019-01-30', '2019-10-22', '2019-11-05', '2020-07-07', '2021-12-07', '2022-08-03'];

/** `encrypt` of what a module keeps on disk is the largest. */
export const longestBody = 1024 * 1024;

export interface Target {
  /** Of the path, each percent-decoded: `['modules', '$edgeHub', 'genid', '1', 'sign']`. */
  readonly segments: readonly string[];
  readonly apiVersion: string;
}

/** Throws a Refusal for a broken encoding and for an api-version that is unknown or missing. */
export function targetOf(url: string): Target {
  const path = url.replace(/^\/+/, '/');
  if (!URL.canParse(path, 'http://workload')) throw new Refusal(400, 'the request names no path');
  const { pathname, searchParams } = new URL(path, 'http://workload');
  const apiVersion = searchParams.get('api-version') ?? '';
  if (!apiVersions.includes(apiVersion)) {
    throw new Refusal(
      400,
      `${apiVersion ? `api-version ${apiVersion} is not known` : 'the query api-version is missing'}; known are ${apiVersions.join(', ')}`,
    );
  }
  try {
    return { segments: pathname.split('/').slice(1).map(decodeURIComponent), apiVersion };
  } catch {
    throw new Refusal(400, `the path ${pathname} is not percent-encoded as it should be`);
  }
}

/** The body, checked; throws a Refusal that names what is wrong with it. */
export async function bodyOf<T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> {
  const text = await textOf(request);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'the body is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Refusal(400, parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; '));
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Leaving the loop must not close the connection: the refusal goes over it.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > longestBody) throw new Refusal(413, `the body has more than ${longestBody} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
