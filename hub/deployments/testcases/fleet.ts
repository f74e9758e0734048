import { manifestWith, moduleOf } from '../../../test/support/manifest.ts';
import type { TwinObject } from '../../../twin/section.ts';
import type { Core } from '../../core/hub-core.ts';

/** A whole manifest with one module of this version. */
export function manifest(
  version: string,
  more: { readonly modules?: object; readonly routes?: object; readonly twins?: object } = {},
): TwinObject {
  const { modules, routes, twins } = more;
  const { modulesContent } = manifestWith(
    { filter: moduleOf({ image: `candyco/filter:${version}` }), ...modules },
    { routes: { up: 'FROM /messages/* INTO $upstream', ...routes } },
  );
  return { modulesContent: { ...(modulesContent as TwinObject), ...twins } };
}

export const image = (name: string): TwinObject => ({ type: 'docker', status: 'running', settings: { image: name, createOptions: '{}' } });

/** A layered deployment with these keys under `$edgeAgent`, and other twins. */
export const layer = (agent: object, others: object = {}): TwinObject => ({ modulesContent: { $edgeAgent: agent, ...others } });

export async function addEdge(core: Core, deviceId: string, tags: object = {}): Promise<void> {
  await core.identities.create({ deviceId, capabilities: { iotEdge: true } }, { tags: tags as TwinObject });
}

/** As a gateway that carried out what it has now, or could not. */
export async function report(core: Core, deviceId: string, code: number, more: object = {}): Promise<void> {
  const agent = `${deviceId}/$edgeAgent`;
  core.active(agent);
  const lastDesiredVersion = core.twinStore.load(agent).desired.version;
  const patch = { lastDesiredVersion, lastDesiredStatus: { code, description: code === 200 ? '' : 'the image is missing' }, ...more };
  await core.patchReported(agent, JSON.stringify(patch), undefined);
}

/** The image of the module `filter` that a device is to run; undefined when there is none. */
export function imageOf(core: Core, deviceId: string, module = 'filter'): string | undefined {
  const modules = core.twinStore.load(`${deviceId}/$edgeAgent`).desired.properties.modules as
    | Record<string, { settings: { image: string } }>
    | undefined;
  return modules?.[module]?.settings.image;
}

export const statusesOf = (core: Core, id: string) => core.twinStore.load(id).configurations;
