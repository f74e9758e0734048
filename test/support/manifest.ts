import type { TwinObject } from '../../twin/section.ts';

const always = { type: 'docker', status: 'running', restartPolicy: 'always' } as const;

export interface ContainerSpec {
  readonly image: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly createOptions?: object;
  /** Any other key of a module: `imagePullPolicy`, `startupOrder`. */
  readonly more?: object;
}

/** A module of a manifest that always runs. */
export const moduleOf = ({ image, env = {}, createOptions = {}, more }: ContainerSpec): TwinObject => ({
  ...always,
  version: '1.0',
  env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, { value }])),
  settings: { image, createOptions: JSON.stringify(createOptions) },
  ...more,
});

/** A whole deployment manifest of IoT Edge with these modules. `twins` are desired properties, by module. */
export function manifestWith(
  modules: object,
  { routes = {}, twins = {} }: { readonly routes?: object; readonly twins?: Readonly<Record<string, object>> } = {},
): TwinObject {
  const settings = { image: 'built-in', createOptions: '{}' };
  const desired = (section: object) => ({ 'properties.desired': section });
  return {
    modulesContent: {
      $edgeAgent: desired({
        schemaVersion: '1.1',
        runtime: { type: 'docker', settings: { minDockerVersion: 'v1.25' } },
        systemModules: { edgeAgent: { type: 'docker', settings }, edgeHub: { ...always, settings } },
        modules,
      }),
      $edgeHub: desired({ schemaVersion: '1.1', routes, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } }),
      ...Object.fromEntries(Object.entries(twins).map(([module, section]) => [module, desired(section)])),
    },
  } as TwinObject;
}
