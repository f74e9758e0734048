import type { IdentityDocument, IdentityName } from '../core/contract.ts';
import { RequestError } from '../core/request-error.ts';
import type { Api, Call } from './api.ts';
import { type BulkEntry, bulkOf, identityOf } from './bodies.ts';
import { ifMatchOf, quoted, unquoted } from './etag.ts';

/** Devices that one list holds at most. */
const longestList = 1000;

/** Devices and modules: made, read, changed, deleted; one by one, and devices by the hundred. */
export function addIdentityRoutes({ core, route }: Api): void {
  const { identities } = core;

  for (const [url, nameOf, who] of [
    ['/devices/:id', ({ params }: Call): Name => ({ deviceId: params.id as string }), undefined],
    [
      '/devices/:id/modules/:module',
      ({ params }: Call): Name => ({ deviceId: params.id as string, moduleId: params.module as string }),
      'device',
    ],
  ] as const) {
    const read = (call: Call): IdentityDocument => {
      const name = nameOf(call);
      return tagged(call, identities.get(name) ?? missing(name));
    };
    const write = async (call: Call): Promise<IdentityDocument> => {
      const input = identityOf(call.body, nameOf(call));
      const ifMatch = ifMatchOf(call.request.headers);
      return tagged(call, ifMatch === undefined ? await identities.create(input) : await identities.update(input, ifMatch));
    };
    route('GET', url, 'registryRead', read, who);
    route('PUT', url, 'registryWrite', write, who);
    route('DELETE', url, 'registryWrite', (call) => identities.delete(nameOf(call), ifMatchOf(call.request.headers)), who);
  }

  route('GET', '/devices', 'registryRead', ({ query }) => identities.listDevices({ top: topOf(query.top) }));
  route('GET', '/devices/:id/modules', 'registryRead', ({ params }) => identities.listModules(params.id as string), 'device');
  route('GET', '/statistics/devices', 'registryRead', () => identities.statistics());
  route('GET', '/statistics/service', 'serviceConnect', () => ({
    connectedDeviceCount: identities.listDevices().filter(({ connectionState }) => connectionState === 'Connected').length,
  }));

  route('POST', '/devices', 'registryWrite', async ({ body }) => {
    const errors: object[] = [];
    for (const entry of bulkOf(body)) {
      const error = await failureOf(() => apply(entry));
      if (error) errors.push({ deviceId: entry.input.deviceId, errorCode: error.errorName, errorStatus: error.message });
    }
    return { isSuccessful: errors.length === 0, errors, warnings: [] };
  });

  async function apply({ mode, input, etag }: BulkEntry): Promise<void> {
    const ifMatch = etag === undefined ? undefined : unquoted(etag);
    if (mode === 'create') await identities.create(input);
    else if (mode === 'update') await identities.update(input, ifMatch);
    else await identities.delete(input, ifMatch);
  }
}

type Name = IdentityName & { readonly moduleId?: string };

async function failureOf(work: () => Promise<void>): Promise<RequestError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
}

function tagged({ reply }: Call, identity: IdentityDocument): IdentityDocument {
  reply.header('etag', quoted(identity.etag));
  return identity;
}

export function missing({ deviceId, moduleId }: IdentityName): never {
  if (moduleId === undefined) throw new RequestError('DeviceNotFound', `there is no device ${deviceId}`);
  throw new RequestError('ModuleNotFound', `there is no module ${moduleId} on device ${deviceId}`);
}

function topOf(text: string | undefined): number {
  if (text === undefined) return longestList;
  const top = Number(text);
  if (!Number.isInteger(top) || top < 1) throw new RequestError('ArgumentInvalid', `top is "${text}", not a whole number from 1 on`);
  return Math.min(top, longestList);
}
