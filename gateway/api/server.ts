import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { MethodResult } from '../../hub-client/contract.ts';
import { GatewayError } from '../../model/error.ts';

export interface ApiServer extends AsyncDisposable {
  readonly url: string;
}

export interface ApiParts {
  readonly health: () => { readonly ok: boolean; readonly problems: readonly string[] };
  readonly status: () => unknown;
  /** The per-point view of the twin. */
  readonly points: () => unknown;
  /** Calls a method on behalf of somebody who knows the token. */
  readonly call: (name: string, payload: unknown) => Promise<MethodResult>;
  readonly token: string;
}

const longestBody = 256 * 1024;

/**
 * `GET /health` (200 while the gateway does its work, else 503), `GET /status` (counters, states), `GET /points` (latest of every point): open to
 * whoever reaches the address. `POST /methods/NAME` with `Authorization: Bearer TOKEN`: the direct methods, for commands on this machine.
 */
export async function startApiServer(listen: { readonly host: string; readonly port: number }, parts: ApiParts): Promise<ApiServer> {
  const server = createServer((request, response) => {
    route(request, parts).then(
      ([code, body]) => answer(response, code, body),
      (error: unknown) => answer(response, 500, { error: error instanceof Error ? error.message : String(error) }),
    );
  });
  await listening(server, listen);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

type Answer = readonly [code: number, body: unknown];

async function route(request: IncomingMessage, parts: ApiParts): Promise<Answer> {
  const { method, url = '' } = request;
  const called = /^\/methods\/([A-Za-z0-9._-]{1,64})$/.exec(url)?.[1];
  if (called !== undefined) return call(request, called, parts);
  if (method !== 'GET' && method !== 'HEAD') return [405, { error: 'only GET is answered here' }];
  if (url === '/health') {
    const now = parts.health();
    return [now.ok ? 200 : 503, { status: now.ok ? 'ok' : 'failing', problems: now.problems }];
  }
  if (url === '/status') return [200, parts.status()];
  if (url === '/points') return [200, parts.points()];
  return [404, { error: `nothing at ${url}; there is /health, /status, /points and, with POST, /methods/NAME` }];
}

async function call(request: IncomingMessage, name: string, { token, call: run }: ApiParts): Promise<Answer> {
  if (request.method !== 'POST') return [405, { error: 'methods are called with POST' }];
  if (!sameToken(request.headers.authorization, token)) {
    return [
      401,
      {
        error: 'methods need Authorization: Bearer TOKEN',
        hint: 'the token is in the file api-token of the data folder; dragoman call reads it by itself',
      },
    ];
  }
  const text = await bodyOf(request);
  if (text === undefined) return [413, { error: `the payload has more than ${longestBody} bytes` }];
  let payload: unknown;
  try {
    payload = text === '' ? undefined : JSON.parse(text);
  } catch (error) {
    return [400, { error: `the payload is not JSON: ${(error as Error).message}` }];
  }
  const result = await run(name, payload);
  return [result.status, result.payload ?? {}];
}

function sameToken(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > longestBody) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body, undefined, 2)}\n`);
}

function listening(server: ReturnType<typeof createServer>, listen: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const where = `${listen.host}:${listen.port}`;
      const busy = cause.code === 'EADDRINUSE';
      reject(
        new GatewayError(
          'api-listen',
          busy
            ? `the status page cannot listen on ${where}: the port is in use`
            : `the status page cannot listen on ${where}: ${cause.message}`,
          {
            retry: 'after-fix',
            hint: busy
              ? 'another gateway may be running; stop it, or set api.listen to another port (0 takes a free one)'
              : 'check api.listen',
            cause,
          },
        ),
      );
    });
    server.listen(listen.port, listen.host, resolve);
  });
}
