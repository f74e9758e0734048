import { createHash } from 'node:crypto';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

/** How a page is served; plain 200 with its length unless said. */
export interface PageManners {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers "not modified" to who has it already. */
  readonly validators?: boolean;
  readonly gzip?: boolean;
  readonly chunked?: boolean;
  /** Before the answer. */
  readonly delayMs?: number;
  /** `hang`: never answers. `stall`: stops in the middle. `drop`: closes without an answer. */
  readonly fault?: 'hang' | 'stall' | 'drop';
  /** Announces so many bytes more (or fewer) than it sends. */
  readonly lengthLie?: number;
  /** Sent in place of an HTTP answer. */
  readonly raw?: string;
}

interface SimulatedPage {
  body: Uint8Array;
  manners: PageManners;
  requests: number;
  notModified: number;
  underWay: number;
  mostUnderWay: number;
}

export interface HttpSimulatorOptions {
  /** 0: any that is free. */
  readonly port?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** The `authorization` header that is asked for. */
  readonly authorization?: string;
}

export interface HttpSimulator extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Makes or replaces a page; a body that is no text or bytes is written as JSON. */
  set(path: string, body: unknown, manners?: PageManners): void;
  page(path: string): Readonly<SimulatedPage>;
  /** Headers of the last request for the page. */
  lastHeaders(path: string): IncomingMessage['headers'];
  /** Connections that are open, and that were opened since the start. */
  connections(): { readonly open: number; readonly total: number };
  /** Closes all connections; new ones are taken. */
  dropConnections(): void;
  /** Closes all connections and the server. */
  cut(): Promise<void>;
}

/** A machine with a small REST page on loopback, and with the faults that such machines have. */
export async function startHttpSimulator(options: HttpSimulatorOptions = {}): Promise<HttpSimulator> {
  const pages = new Map<string, SimulatedPage>();
  const headers = new Map<string, IncomingMessage['headers']>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url ?? '/';
    headers.set(path, request.headers);
    if (options.authorization !== undefined && request.headers.authorization !== options.authorization) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="machine"' }).end('who are you?');
      return;
    }
    const page = pages.get(path);
    if (!page) response.writeHead(404).end('no such page');
    else serve(page, request, response);
  };
  const server = options.tls ? createHttpsServer(options.tls, answer) : createHttpServer(answer);
  let total = 0;
  const sockets = new Set<{ destroy(): unknown }>();
  server.on(options.tls ? 'secureConnection' : 'connection', (socket) => {
    total++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const dropConnections = (): void => {
    server.closeAllConnections();
    for (const socket of sockets) socket.destroy();
  };
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    dropConnections();
    await closed;
  };
  return {
    port,
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    set(path, body, manners = {}) {
      const known = pages.get(path);
      const bytes = body instanceof Uint8Array ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
      if (known) Object.assign(known, { body: bytes, manners });
      else pages.set(path, { body: bytes, manners, requests: 0, notModified: 0, underWay: 0, mostUnderWay: 0 });
    },
    page(path) {
      const page = pages.get(path);
      if (!page) throw new Error(`the simulator has no page ${path}`);
      return page;
    },
    lastHeaders: (path) => headers.get(path) ?? {},
    connections: () => ({ open: sockets.size, total }),
    dropConnections,
    cut,
    [Symbol.asyncDispose]: cut,
  };
}

function serve(page: SimulatedPage, request: IncomingMessage, response: ServerResponse): void {
  const { manners } = page;
  page.requests++;
  page.mostUnderWay = Math.max(page.mostUnderWay, ++page.underWay);
  response.on('close', () => {
    page.underWay--;
  });
  if (manners.fault === 'hang') return;
  if (manners.fault === 'drop') request.socket.destroy();
  else if (manners.delayMs !== undefined) setTimeout(() => send(page, request, response), manners.delayMs);
  else send(page, request, response);
}

function send(page: SimulatedPage, request: IncomingMessage, response: ServerResponse): void {
  const { manners } = page;
  if (manners.raw !== undefined) {
    request.socket.end(manners.raw);
    return;
  }
  const etag = `"${createHash('sha1').update(page.body).digest('hex').slice(0, 12)}"`;
  if (manners.validators && request.headers['if-none-match'] === etag) {
    page.notModified++;
    response.writeHead(304, { etag }).end();
    return;
  }
  const body = manners.gzip ? gzipSync(page.body) : page.body;
  const half = Math.floor(body.length / 2);
  const head = {
    ...(manners.validators && { etag }),
    ...(manners.gzip && { 'content-encoding': 'gzip' }),
    ...(!manners.chunked && { 'content-length': String(body.length + (manners.lengthLie ?? 0)) }),
    ...manners.headers,
  };
  if (manners.lengthLie !== undefined) {
    // The library would not send what is wrong.
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
    request.socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${lines.join('')}\r\n`), body]));
    if (manners.lengthLie > 0) request.socket.end();
    response.destroy();
    return;
  }
  response.writeHead(manners.status ?? 200, head);
  response.write(body.subarray(0, half));
  if (manners.fault !== 'stall') response.end(body.subarray(half));
}
