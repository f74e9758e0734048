import type { Server } from 'node:https';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ServerCertificate } from '../certificates.ts';
import type { HubCore } from '../core/contract.ts';
import { type HubLog, LogThrottle } from '../log.ts';
import { apiOf, Unauthorized } from './api.ts';
import { addConfigurationRoutes } from './configurations.ts';
import { addIdentityRoutes } from './identities.ts';
import { listenOn } from './listen.ts';
import { addMessageRoutes } from './messages.ts';
import { addUnbuiltRoutes } from './not-built.ts';
import { addQueryRoute } from './query.ts';
import { type Refusal, refusal, refusalOf } from './refusal.ts';
import { addTwinRoutes } from './twins.ts';

export interface RestSettings {
  /** 0 takes any free port; 443 is where the SDKs look. */
  readonly port: number;
  /** Undefined: every interface. */
  readonly listen: string | undefined;
  readonly certificate: ServerCertificate;
}

/** The REST API while it listens. */
export interface RestServer extends AsyncDisposable {
  readonly port: number;
  useCertificate(certificate: ServerCertificate): void;
  /** At once: calls that wait for a device are cut off. */
  close(): Promise<void>;
}

/** A hundred devices with their keys, a method's payload of 128 KB, a twin of 72 KB: all of them fit. */
const largestBodyBytes = 1024 * 1024;
/** An id of 128 characters, each of them percent-encoded. */
const longestId = 384;

/** Serves IoT Hub's REST API over HTTPS. Rejects with HubError when it cannot listen. */
export async function startRest(core: HubCore, settings: RestSettings, log: HubLog): Promise<RestServer> {
  const { fastify } = await import('fastify');
  const { certificate, privateKey } = settings.certificate;
  const app: FastifyInstance<Server> = fastify({
    https: {
      cert: certificate,
      key: privateKey,
      minVersion: 'TLSv1.2',
      keepAlive: true,
      noDelay: true,
      // A device may prove itself by one; which it must be, the registry says.
      requestCert: true,
      rejectUnauthorized: false,
    },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: longestId },
    bodyLimit: largestBodyBytes,
    requestTimeout: 30_000,
    connectionTimeout: 0,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => send(reply, clientFault(error) ?? refusal(500, 'ServerError', 'the hub failed')),
  }) as unknown as FastifyInstance<Server>;
  // Whatever it says it is: the API knows JSON only.
  app.addContentTypeParser('*', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));
  answerErrors(app, log);
  const api = apiOf(app, core);
  addIdentityRoutes(api);
  addTwinRoutes(api);
  addQueryRoute(api);
  addConfigurationRoutes(api);
  addUnbuiltRoutes(api);
  app.register(async (messages) => {
    messages.removeAllContentTypeParsers();
    messages.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    addMessageRoutes(apiOf(messages as FastifyInstance<Server>, core));
  });
  await app.ready();
  const port = await listenOn(app.server, { port: settings.port, listen: settings.listen, flag: '--https', instead: 8443 });
  // A client that hangs up in the middle, or speaks no TLS: its own business.
  app.server.on('tlsClientError', () => {}).on('clientError', (_error, socket) => socket.destroy());
  return {
    port,
    useCertificate: (fresh) => app.server.setSecureContext({ cert: fresh.certificate, key: fresh.privateKey }),
    close: () => app.close(),
    [Symbol.asyncDispose]: () => app.close(),
  };
}

function answerErrors(app: FastifyInstance<Server>, log: HubLog): void {
  const throttle = new LogThrottle();
  const unauthorized = (request: FastifyRequest, reason: string): Refusal => {
    const held = throttle.admit(request.ip);
    if (held !== undefined) {
      log.warn(
        { address: request.ip, request: `${request.method} ${pathOnly(request)}`, reason, ...(held > 0 && { held }) },
        'REST call refused',
      );
    }
    return refusal(401, 'IotHubUnauthorizedAccess', `Unauthorized: ${reason}`);
  };
  app.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof Unauthorized) return send(reply, unauthorized(request, error.message));
    const known = refusalOf(error) ?? clientFault(error);
    if (known) return send(reply, known);
    log.error(
      { request: `${request.method} ${pathOnly(request)}`, reason: error.message, stack: error.stack },
      'a REST call failed in the hub',
    );
    return send(reply, refusal(500, 'ServerError', 'the hub failed; its log says more'));
  });
  app.setNotFoundHandler((request, reply) =>
    send(reply, refusal(404, 'ResourceNotFound', `this hub has no ${request.method} ${pathOnly(request)}`)),
  );
}

function send(reply: FastifyReply, { status, body }: Refusal): FastifyReply {
  return reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify(body));
}

/** What fastify finds wrong before a route sees it: no JSON, too long, a broken address. */
function clientFault({ statusCode = 500, message }: FastifyError): Refusal | undefined {
  if (statusCode === 413) return refusal(413, 'MessageTooLarge', `a request has at most ${largestBodyBytes / 1024} KB`);
  return statusCode >= 400 && statusCode < 500 ? refusal(400, 'ArgumentInvalid', message) : undefined;
}

const pathOnly = ({ url }: FastifyRequest): string => url.split('?', 1)[0] ?? '';
