import { jsonPath } from '../../deployments/manifest/findings.ts';
import { readManifest } from '../../deployments/manifest/read-manifest.ts';
import { checkSection } from '../../twin/limits.ts';
import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import { composeModules, kindOf, modulesOf, placesOf, putAt } from './content.ts';
import type { ConfigurationContent, ContentProblem } from './contract.ts';

type Keys = readonly (string | number)[];

/** Images may begin with a variable of the gateway, which the hub does not know: any is taken for set. */
export const environment = new Proxy<Record<string, string>>({}, { get: () => 'registry' });

/** Everything that is wrong with a content, before it is taken; empty when it can be carried out. */
export function checkContent(content: unknown): readonly ContentProblem[] {
  if (!isTwinObject(content)) return ['content: an object is expected; it has modulesContent, deviceContent or moduleContent'];
  const kinds = ['modulesContent', 'deviceContent', 'moduleContent'].filter((key) => content[key] !== undefined);
  if (kinds.length !== 1) {
    const found = kinds.length === 0 ? 'there is none' : `there are ${kinds.join(' and ')}`;
    return [`content: one of modulesContent, deviceContent and moduleContent is expected; ${found}`];
  }
  switch (kindOf(content)) {
    case 'edge':
      return problemsOf(content, (keys) => keys);
    case 'layer':
      return checkLayer(content);
    default:
      return checkPlaces(content, kinds[0] as string);
  }
}

function problemsOf(content: ConfigurationContent, placed: (keys: Keys) => Keys): readonly ContentProblem[] {
  const errors = readManifest(content, { environment }).problems.filter(({ severity }) => severity === 'error');
  const wrong = errors.map(({ keys, message, hint }) => line(placed(keys), message, hint));
  // Too large is said of what can be read only.
  return wrong.length > 0 ? wrong : [...composeModules(content, [])].flatMap(([name, section]) => tooLarge(name, section));
}

function tooLarge(name: string, section: TwinObject): readonly ContentProblem[] {
  const refusal = checkSection(section, 'desired');
  return refusal
    ? [line(['modulesContent', name, 'properties.desired'], `${refusal.path === '' ? '' : `${refusal.path}: `}${refusal.message}`)]
    : [];
}

/** A layer is read as what it makes of a bare manifest; what is wrong is said where the layer has it. */
function checkLayer(content: ConfigurationContent): readonly ContentProblem[] {
  const modules = modulesOf(content);
  const wrong: ContentProblem[] = [];
  if (modules.$edgeAgent === undefined) {
    wrong.push(line(['modulesContent'], '$edgeAgent is missing', 'a layered deployment has it, if only as "$edgeAgent": {}'));
  }
  for (const [name, holder] of Object.entries(modules)) {
    if (!isTwinObject(holder)) wrong.push(line(['modulesContent', name], 'an object is expected'));
    else wrong.push(...checkKeys(holder, ['modulesContent', name], name));
  }
  if (wrong.length > 0) return wrong;
  const composed = composeModules(bareUnder(modules), [content]);
  const whole = Object.fromEntries([...composed].map(([name, section]) => [name, { 'properties.desired': section }]));
  return problemsOf({ modulesContent: whole }, (keys) => placeInLayer(modules, keys));
}

function checkKeys(holder: TwinObject, keys: Keys, name: string): readonly ContentProblem[] {
  return Object.keys(holder).flatMap((key) => {
    if (!/^properties\.desired(\.[^.$\s]+)*$/.test(key)) {
      return [
        line([...keys, key], 'it is no place in desired properties', 'write "properties.desired" or "properties.desired.modules.shim"'),
      ];
    }
    if (name === '$edgeAgent' && /^properties\.desired\.systemModules(\.|$)/.test(key)) {
      return [line([...keys, key], 'a layer has no system modules', 'they belong to the whole deployment below it')];
    }
    if (name === '$edgeHub' && key === 'properties.desired') {
      return [line([...keys, key], 'a layer does not replace all routes', 'write "properties.desired.routes.NAME"')];
    }
    return [];
  });
}

const builtIn = { type: 'docker', settings: { image: 'built-in', createOptions: '' } };

/** As much below a layer as it needs: what it changes only parts of is there. */
function bareUnder(modules: TwinObject): ConfigurationContent {
  let agent: TwinObject = {
    schemaVersion: '1.1',
    runtime: { type: 'docker', settings: { minDockerVersion: 'v1.25' } },
    systemModules: { edgeAgent: builtIn, edgeHub: builtIn },
    modules: {},
  };
  let hub: TwinObject = { schemaVersion: '1.1', routes: {}, storeAndForwardConfiguration: { timeToLiveSecs: 7200 } };
  for (const { path } of placesOf(modules.$edgeAgent as TwinObject)) {
    if (path[0] === 'modules' && path.length > 2) agent = putAt(agent, path.slice(0, 2), builtIn);
  }
  for (const { path } of placesOf((modules.$edgeHub as TwinObject | undefined) ?? {})) {
    if (path[0] === 'routes' && path.length > 2) hub = putAt(hub, path.slice(0, 2), { route: 'FROM /* INTO $upstream' });
  }
  return { modulesContent: { $edgeAgent: { 'properties.desired': agent }, $edgeHub: { 'properties.desired': hub } } };
}

/** `…['properties.desired'].modules.shim.settings` is `…['properties.desired.modules.shim'].settings` of the layer. */
function placeInLayer(modules: TwinObject, keys: Keys): Keys {
  const [top, module, , ...inside] = keys;
  const holder = module === undefined ? undefined : modules[module];
  if (top === undefined || module === undefined || !isTwinObject(holder)) return keys;
  const place = placesOf(holder).findLast(({ path }) => path.length <= inside.length && path.every((key, index) => key === inside[index]));
  return place ? [top, module, place.key, ...inside.slice(place.path.length)] : keys;
}

function checkPlaces(content: ConfigurationContent, key: string): readonly ContentProblem[] {
  const holder = content[key];
  if (!isTwinObject(holder)) return [line([key], 'an object is expected')];
  if (Object.keys(holder).length === 0) return [line([key], 'it is empty', 'write "properties.desired.NAME": { … }')];
  const wrong = checkKeys(holder, [key], '');
  if (wrong.length > 0) return wrong;
  const section = placesOf(holder).reduce((made, { path, value }) => putAt(made, path, value), {} as TwinObject);
  const refusal = checkSection(section, 'desired');
  return refusal ? [line([key], `${refusal.path === '' ? '' : `${refusal.path}: `}${refusal.message}`)] : [];
}

const line = (keys: Keys, message: string, hint?: string): ContentProblem =>
  `${jsonPath(keys)}: ${message}${hint === undefined ? '' : `, ${hint}`}`;
