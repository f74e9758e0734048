import type { IdentityName, MethodAnswer, TwinDocument } from '../core/contract.ts';
import type { Api, Call } from './api.ts';
import { methodOf, twinOf } from './bodies.ts';
import { ifMatchOf, quoted } from './etag.ts';
import { missing } from './identities.ts';

/** Twins of devices and modules, and the methods that are called on them. */
export function addTwinRoutes({ core, route }: Api): void {
  const { twins } = core;
  for (const [url, nameOf] of [
    ['/twins/:id', ({ params }: Call): IdentityName => ({ deviceId: params.id as string })],
    ['/twins/:id/modules/:module', ({ params }: Call): IdentityName => ({ deviceId: params.id as string, moduleId: params.module })],
  ] as const) {
    route('GET', url, 'serviceConnect', (call) => {
      const name = nameOf(call);
      return tagged(call, twins.get(name) ?? missing(name));
    });
    route('PATCH', url, 'serviceConnect', async (call) =>
      tagged(call, await twins.patch(nameOf(call), twinOf(call.body), ifMatchOf(call.request.headers))),
    );
    route('PUT', url, 'serviceConnect', async (call) =>
      tagged(call, await twins.replace(nameOf(call), twinOf(call.body), ifMatchOf(call.request.headers))),
    );
    route('POST', `${url}/methods`, 'serviceConnect', (call) => invoke(call, nameOf(call)));
  }

  async function invoke({ body, reply }: Call, name: IdentityName): Promise<MethodAnswer> {
    const { methodName, payload, responseTimeoutInSeconds, connectTimeoutInSeconds } = methodOf(body);
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const { status, payload: answer } = await core.methods.invoke(
      name,
      {
        name: methodName,
        payload,
        // The SDKs send 0 for "as ever".
        ...(responseTimeoutInSeconds && { responseTimeoutMs: responseTimeoutInSeconds * 1000 }),
        ...(connectTimeoutInSeconds && { connectTimeoutMs: connectTimeoutInSeconds * 1000 }),
      },
      gone.signal,
    );
    return { status, payload: answer ?? null };
  }
}

function tagged({ reply }: Call, twin: TwinDocument): TwinDocument {
  reply.header('etag', quoted(twin.etag));
  return twin;
}
