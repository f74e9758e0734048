import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { MethodAnswer, MethodRequest } from '../../../hub/core/contract.ts';
import { RequestError } from '../../../hub/core/request-error.ts';
import { type HubLog, LogThrottle } from '../../../hub/log.ts';
import { checkToken } from '../../../hub/mqtt/connect.ts';
import type { ListenerCertificate } from '../../../hub/mqtt/server.ts';
import type { Identity } from '../../../hub/registry.ts';
import { audienceOf, parseSas } from '../../../hub/sas.ts';
import { methodOf } from '../../../hub/service/bodies.ts';
import { listenOn } from '../../../hub/service/listen.ts';

/** A payload of 128 KB and what stands around it. */
const largestBodyBytes = 160 * 1024;
const requestWithinMs = 30_000;

/** Whose method is called. */
export interface MethodTarget {
  readonly deviceId: string;
  readonly moduleId: string | undefined;
}

export interface MethodsEndpointParts {
  /** By client id, with its keys. */
  readonly identity: (id: string) => Identity | undefined;
  readonly isOurName: (host: string) => boolean;
  /** `caller` is a client id: `gw-1/filter`. */
  readonly invoke: (target: MethodTarget, request: MethodRequest, caller: string, signal: AbortSignal) => Promise<MethodAnswer>;
  readonly log: HubLog;
}

export interface MethodsEndpoint extends AsyncDisposable {
  readonly port: number;
  useCertificate(certificate: ListenerCertificate): void;
}

/** Serves `POST /twins/{device}[/modules/{module}]/methods` to modules. Rejects with HubError when it cannot listen. */
export async function startMethodsEndpoint(
  parts: MethodsEndpointParts,
  certificate: ListenerCertificate,
  listen: { readonly port: number; readonly address: string | undefined },
): Promise<MethodsEndpoint> {
  const throttle = new LogThrottle();
  const server: Server = createServer(
    { cert: certificate.certificate, key: certificate.privateKey, minVersion: 'TLSv1.2', noDelay: true, requestTimeout: requestWithinMs },
    (request, response) => void handle(request, response, parts, throttle),
  );
  server.on('tlsClientError', () => {}).on('clientError', (_error, socket) => socket.destroy());
  const port = await listenOn(server, { port: listen.port, listen: listen.address, flag: 'modules.broker.https', instead: 8443 });
  return {
    port,
    useCertificate: (fresh) => server.setSecureContext({ cert: fresh.certificate, key: fresh.privateKey, minVersion: 'TLSv1.2' }),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

class Unauthorized extends Error {}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  parts: MethodsEndpointParts,
  throttle: LogThrottle,
): Promise<void> {
  const address = request.socket.remoteAddress ?? 'unknown';
  try {
    const target = targetOf(request);
    // Before the body is read: strangers send nothing.
    const caller = callerOf(request, parts);
    const { methodName, payload, responseTimeoutInSeconds, connectTimeoutInSeconds } = methodOf(await bodyOf(request));
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const wanted: MethodRequest = {
      name: methodName,
      payload,
      ...(responseTimeoutInSeconds && { responseTimeoutMs: responseTimeoutInSeconds * 1000 }),
      ...(connectTimeoutInSeconds && { connectTimeoutMs: connectTimeoutInSeconds * 1000 }),
    };
    const answer = await parts.invoke(target, wanted, caller, gone.signal);
    send(response, 200, { status: answer.status, payload: answer.payload ?? null });
  } catch (error) {
    refuse(address, response, error, parts, throttle);
  }
}

function refuse(address: string, response: ServerResponse, error: unknown, { log }: MethodsEndpointParts, throttle: LogThrottle): void {
  if (error instanceof Unauthorized) {
    const held = throttle.admit(address);
    if (held !== undefined) log.warn({ address, reason: error.message, ...(held > 0 && { held }) }, 'a method call was refused');
    send(response, 401, { message: `Unauthorized: ${error.message}` });
  } else if (error instanceof RequestError) send(response, error.status, { message: error.message });
  else {
    log.error({ address, reason: (error as Error).message }, 'a method call failed in the module broker');
    send(response, 500, { message: 'the gateway failed; its log says more' });
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(text) }).end(text);
}

function targetOf({ method, url = '' }: IncomingMessage): MethodTarget {
  const path = url.split('?', 1)[0] ?? '';
  const [, device, module] = /^\/twins\/([^/]+)(?:\/modules\/([^/]+))?\/methods\/?$/i.exec(path) ?? [];
  if (method !== 'POST' || device === undefined) {
    throw new RequestError(
      'DeviceNotFound',
      `this gateway has no ${method} ${path}; methods are called by POST /twins/{device}/modules/{module}/methods`,
    );
  }
  try {
    return { deviceId: decodeURIComponent(device), moduleId: module === undefined ? undefined : decodeURIComponent(module) };
  } catch {
    throw new RequestError('ArgumentInvalid', 'the address is not percent-encoded as it should be');
  }
}

/** The module that calls, proven by its token. */
function callerOf({ headers }: IncomingMessage, { identity, isOurName }: MethodsEndpointParts): string {
  const token = parseSas(headers.authorization ?? '');
  if (!token) throw new Unauthorized('the request has no Authorization header with a shared access signature');
  const said = headers['x-ms-edge-moduleid'];
  const ids = audienceOf(token)?.ids ?? [];
  const found = ids.map((id) => identity(id)).find((one) => one !== undefined);
  if (!found) throw new Unauthorized('the token is for no module of this gateway');
  if (typeof said === 'string' && said !== found.id) throw new Unauthorized(`the token is for ${found.id}, not for ${said.slice(0, 300)}`);
  const proof =
    found.authentication.type === 'sas' ? checkToken(token, found, { isOurName, nowMs: Date.now() }) : 'only modules call methods here';
  if (typeof proof === 'string') throw new Unauthorized(proof);
  return found.id;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Left early, it must not tear down the connection: an answer follows.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBodyBytes) throw new RequestError('MessageTooLarge', `a call of a method has at most ${largestBodyBytes / 1024} KB`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new RequestError('ArgumentInvalid', 'the body is not JSON');
  }
}
