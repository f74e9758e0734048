import type { Server } from 'node:https';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { HubCore, Right } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';
import { AccessError, opens, openToken } from '../policies/access.ts';
import { deviceRefusal, isDevice } from './device-access.ts';

/** What the routes of one subject are given. */
export interface Api {
  readonly core: HubCore;
  /**
   * Adds a route that needs a right; with `device`, a device may also come by itself, for what is its own. A handler returns the body; undefined is
   * 204 without one.
   */
  route(method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE', url: string, right: Right, handler: Handler, who?: 'device'): void;
}

export type Handler = (call: Call) => unknown;

export interface Call {
  /** Decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** JSON; undefined when there was none. */
  readonly body: unknown;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

export function apiOf(app: FastifyInstance<Server>, core: HubCore): Api {
  return {
    core,
    route(method, url, right, handler, who) {
      app.route({
        method,
        url,
        // Before the body is read: strangers send nothing.
        onRequest: async (request) => authorize(request, core, right, who),
        handler: async (request, reply) => {
          const body = await handler({
            params: request.params as Call['params'],
            query: request.query as Call['query'],
            body: request.body,
            request,
            reply,
          });
          if (body === undefined) return reply.code(204).send();
          return reply.type('application/json; charset=utf-8').send(body instanceof Buffer ? body : JSON.stringify(body));
        },
      });
    },
  };
}

/** A request whose token does not open what it asks for. */
export class Unauthorized extends Error {}

function authorize(request: FastifyRequest, core: HubCore, right: Right, who: 'device' | undefined): void {
  const { authorization } = request.headers;
  if (who === 'device' && isDevice(request)) {
    const refusal = deviceRefusal(request, pathOf(request.url), core);
    if (refusal === undefined) return;
    throw new Unauthorized(refusal);
  }
  if (!authorization) throw new Unauthorized('the request has no Authorization header with a shared access signature');
  const path = pathOf(request.url);
  try {
    const access = openToken(authorization, core);
    // A token for a device is one for its twin.
    const asDevice = path[0] === 'twins' && opens(access, ['devices', ...path.slice(1)], right);
    if (asDevice || opens(access, path, right)) return;
    const { policy } = access;
    throw new Unauthorized(
      policy.rights.includes(right)
        ? `the token is for ${access.scope.join('/')}, not for ${path.join('/')}`
        : `policy ${policy.name} does not have the right ${right}`,
    );
  } catch (error) {
    throw error instanceof AccessError ? new Unauthorized(error.message) : error;
  }
}

function pathOf(url: string): readonly string[] {
  const path = url.split('?', 1)[0] ?? '';
  try {
    return path
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodeURIComponent);
  } catch {
    throw new RequestError('ArgumentInvalid', 'the address is not percent-encoded as it should be');
  }
}
