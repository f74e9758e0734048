import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GatewayError } from '../model/error.ts';

export interface StatusServer extends AsyncDisposable {
  readonly url: string;
}

/** Answers `GET /health` (200 while the gateway does its work, else 503) and `GET /status` (counters, states). Read-only. */
export async function startStatusServer(
  listen: { readonly host: string; readonly port: number },
  health: () => { readonly ok: boolean; readonly problems: readonly string[] },
  status: () => unknown,
): Promise<StatusServer> {
  const server = createServer((request, response) => {
    const answer = (code: number, body: unknown): void => {
      response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(`${JSON.stringify(body, undefined, 2)}\n`);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, { error: 'only GET is answered here' });
    else if (request.url === '/health') {
      const now = health();
      answer(now.ok ? 200 : 503, { status: now.ok ? 'ok' : 'failing', problems: now.problems });
    } else if (request.url === '/status') answer(200, status());
    else answer(404, { error: `nothing at ${request.url}; there is /health and /status` });
  });
  await new Promise<void>((resolve, reject) => {
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
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
