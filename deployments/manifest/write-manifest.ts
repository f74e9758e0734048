import type { TwinObject } from '../../twin/section.ts';
import type { Manifest, ModuleSpec, RouteSpec } from '../contract.ts';
import { writeCreateOptions } from './create-options.ts';
import { lastOrder } from './read-module.ts';

/** The manifest as JSON that any IoT Edge tool takes. What is as by default is written out where readers look for it, left out elsewhere. */
export function writeManifest(manifest: Manifest): { readonly modulesContent: Readonly<Record<string, TwinObject>> } {
  const { schemaVersion, runtime, systemModules, modules, routes, storeAndForward, twins } = manifest;
  const specs = (all: ReadonlyMap<string, ModuleSpec>): TwinObject =>
    Object.fromEntries([...all].map(([name, spec]) => [name, writeModule(spec)]));
  const agent = { schemaVersion, runtime: writeRuntime(runtime), systemModules: specs(systemModules), modules: specs(modules) };
  const hub = {
    schemaVersion: '1.1',
    routes: Object.fromEntries(routes.map((route) => [route.name, writeRoute(route)])),
    storeAndForwardConfiguration: {
      timeToLiveSecs: storeAndForward.timeToLiveSecs,
      ...(storeAndForward.maxSizeBytes !== undefined && { storeLimits: { maxSizeBytes: storeAndForward.maxSizeBytes } }),
    },
  };
  const desired = (section: TwinObject): TwinObject => ({ 'properties.desired': section });
  return {
    modulesContent: {
      $edgeAgent: desired(agent),
      $edgeHub: desired(hub),
      ...Object.fromEntries([...twins].map(([name, section]) => [name, desired(section)])),
    },
  };
}

function writeRuntime({ type, minDockerVersion, loggingOptions, registryCredentials }: Manifest['runtime']): TwinObject {
  const credentials = Object.fromEntries([...registryCredentials].map(([name, one]) => [name, { ...one }]));
  return {
    type,
    settings: { minDockerVersion, loggingOptions, ...(registryCredentials.size > 0 && { registryCredentials: credentials }) },
  };
}

function writeModule({
  version,
  status,
  restartPolicy,
  imagePullPolicy,
  startupOrder,
  env,
  image,
  digest,
  createOptions,
}: ModuleSpec): TwinObject {
  const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, { value }]));
  return {
    ...(version !== '' && { version }),
    ...{ type: 'docker', status, restartPolicy, imagePullPolicy },
    ...(startupOrder !== lastOrder && { startupOrder }),
    ...(Object.keys(env).length > 0 && { env: variables }),
    settings: { image, ...(digest !== undefined && { digest }), ...writeCreateOptions(createOptions) },
  };
}

function writeRoute({ route, priority, timeToLiveSecs }: RouteSpec): TwinObject | string {
  if (priority === undefined && timeToLiveSecs === undefined) return route;
  return { route, ...(priority !== undefined && { priority }), ...(timeToLiveSecs !== undefined && { timeToLiveSecs }) };
}
