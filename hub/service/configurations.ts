import { RequestError } from '../core/request-error.ts';
import type { ConfigurationDocument } from '../deployments/contract.ts';
import type { Api, Call } from './api.ts';
import { rolloutActionOf } from './bodies.ts';
import { ifMatchOf, quoted } from './etag.ts';

const longestList = 100;

/** Configurations: deployments by condition, parts of twins by condition; and the content for one device. */
export function addConfigurationRoutes({ core: { deployments }, route }: Api): void {
  route('GET', '/configurations', 'registryRead', ({ query }) => deployments.list(topOf(query.top)));
  route('GET', '/configurations/:id', 'registryRead', (call) => {
    const id = call.params.id as string;
    const found = deployments.get(id);
    if (!found) throw new RequestError('ConfigurationNotFound', `there is no configuration ${id}`);
    return tagged(call, found);
  });
  route('PUT', '/configurations/:id', 'registryWrite', async (call) => {
    const id = call.params.id as string;
    const ifMatch = ifMatchOf(call.request.headers);
    return tagged(call, ifMatch === undefined ? await deployments.create(id, call.body) : await deployments.update(id, call.body, ifMatch));
  });
  route('DELETE', '/configurations/:id', 'registryWrite', async ({ params, request }) => {
    await deployments.delete(params.id as string, ifMatchOf(request.headers));
  });
  route('POST', '/configurations/testQueries', 'registryRead', ({ body }) => deployments.testQueries(body));
  route('POST', '/configurations/:id/rollout', 'registryWrite', async (call) =>
    tagged(call, await deployments.steer(call.params.id as string, rolloutActionOf(call.body))),
  );
  route('POST', '/devices/:id/applyConfigurationContent', 'registryWrite', async ({ params, body }) => {
    await deployments.applyContent(params.id as string, body);
  });
}

function tagged({ reply }: Call, configuration: ConfigurationDocument): ConfigurationDocument {
  reply.header('etag', quoted(configuration.etag));
  return configuration;
}

function topOf(text: string | undefined): number {
  if (text === undefined) return longestList;
  const top = Number(text);
  if (!Number.isInteger(top) || top < 1) throw new RequestError('ArgumentInvalid', `top is "${text}", not a whole number from 1 on`);
  return Math.min(top, longestList);
}
