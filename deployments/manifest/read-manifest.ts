import { z } from 'zod';
import { checkSection } from '../../twin/limits.ts';
import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { Manifest, ManifestProblem, ModuleSpec, RegistryCredentials, RuntimeSpec } from '../contract.ts';
import { Findings, type Keys } from './findings.ts';
import { type HubSection, readHub } from './read-hub.ts';
import { readModule, unknownKeys } from './read-module.ts';

export interface ReadManifest {
  /** Undefined when there are errors. */
  readonly manifest?: Manifest;
  /** All of them, errors and warnings. Rules `schema-version` and `empty-deployment` are statuses 412 and 417 of an agent, others 400. */
  readonly problems: readonly ManifestProblem[];
}

export interface ManifestOptions {
  /** For images that begin with a variable, `$upstream_registry/…`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

const desired = 'properties.desired';
const Json = z.record(z.string(), z.unknown());
/** Last minor version of schema 1 that is known, of agent and hub. */
const lastMinor = { agent: 1, hub: 3 };

/**
 * One IoT Edge deployment manifest (schema 1.0, 1.1): `{ modulesContent }`, bare or in `{ content }`; 2018's `moduleContent` too. Nothing is
 * done before all of it was read, and all that is wrong is said at once.
 */
export function readManifest(value: unknown, { environment = {} }: ManifestOptions = {}): ReadManifest {
  const findings = new Findings();
  const found = contentOf(value, findings);
  if (!found) return { problems: findings.all };
  const { content, keys } = found;
  const section = (name: string): { section: Readonly<Record<string, unknown>>; keys: Keys } | undefined => {
    if (content[name] === undefined) {
      findings.error(keys, 'missing-key', `${name} is missing`, `a deployment has $edgeAgent and $edgeHub, each with "${desired}"`);
      return undefined;
    }
    return desiredOf(content[name], [...keys, name], findings);
  };
  const agentSection = section('$edgeAgent');
  const hubSection = section('$edgeHub');
  const agent = agentSection && readAgent(agentSection.section, agentSection.keys, findings, environment);
  const hubMinor = hubSection && readVersion(hubSection.section, hubSection.keys, lastMinor.hub, findings);
  const hub = hubSection && readHub(hubSection.section, hubMinor ?? lastMinor.hub, hubSection.keys, findings);
  const twins = readTwins(content, keys, agent, findings);
  if (hub && agent) checkRoutedModules(hub, agent, hubSection!.keys, findings);
  if (findings.failed || !agent || !hub) return { problems: findings.all };
  const { schemaVersion, runtime, systemModules, modules } = agent;
  return { manifest: { schemaVersion, runtime, systemModules, modules, ...hub, twins }, problems: findings.all };
}

function contentOf(value: unknown, findings: Findings): { content: Record<string, unknown>; keys: Keys } | undefined {
  let [at, keys]: [unknown, Keys] = [value, []];
  if (isTwinObject(at) && at.content !== undefined) [at, keys] = [at.content, ['content']];
  if (!isTwinObject(at)) {
    findings.error(keys, 'empty-deployment', 'a deployment manifest is expected', 'a JSON object with modulesContent');
    return undefined;
  }
  const key = at.modulesContent === undefined && at.moduleContent !== undefined ? 'moduleContent' : 'modulesContent';
  const content = at[key];
  const path = [...keys, key];
  if (content === undefined) {
    const mixed = Object.keys(at).some((name) => name.startsWith('$edge'));
    const hint = mixed
      ? 'put what is there into { "modulesContent": { … } }'
      : 'a deployment has { "modulesContent": { "$edgeAgent": …, "$edgeHub": … } }';
    findings.error(keys, 'empty-deployment', 'modulesContent is missing', hint);
    return undefined;
  }
  const checked = findings.check(content, Json, path);
  return checked && { content: checked, keys: path };
}

function desiredOf(value: unknown, keys: Keys, findings: Findings): { section: Record<string, unknown>; keys: Keys } | undefined {
  const holder = findings.check(value, Json, keys);
  if (!holder) return undefined;
  const layered = Object.keys(holder).find((key) => key.startsWith(`${desired}.`));
  if (layered !== undefined) {
    const hint = 'a layered deployment is merged by the hub; a manifest for a gateway is whole';
    findings.error([...keys, layered], 'layered-deployment', `${layered} is of a layered deployment`, hint, 'key');
    return undefined;
  }
  if (holder[desired] === undefined) {
    findings.error(keys, 'missing-key', `${String(keys.at(-1))}: "${desired}" is missing`, undefined, 'key');
    return undefined;
  }
  const path = [...keys, desired];
  const section = findings.check(holder[desired], Json, path);
  return section && { section, keys: path };
}

interface AgentSection {
  readonly schemaVersion: string;
  readonly runtime: RuntimeSpec;
  readonly systemModules: ReadonlyMap<string, ModuleSpec>;
  readonly modules: ReadonlyMap<string, ModuleSpec>;
  /** Those that cannot be read, too: nothing else is wrong with whoever speaks of them. */
  readonly names: ReadonlySet<string>;
}

function readAgent(
  section: Readonly<Record<string, unknown>>,
  keys: Keys,
  findings: Findings,
  environment: Readonly<Record<string, string | undefined>>,
): AgentSection {
  unknownKeys(section, ['schemaVersion', 'runtime', 'systemModules', 'modules', '$version', '$metadata'], keys, findings);
  readVersion(section, keys, lastMinor.agent, findings);
  const runtime = readRuntime(section.runtime, [...keys, 'runtime'], findings);
  const systemModules = readSystemModules(section.systemModules, [...keys, 'systemModules'], findings, environment);
  const modules = readModules(section.modules ?? {}, [...keys, 'modules'], findings, environment);
  const names = new Set(
    isTwinObject(section.modules) ? Object.keys(section.modules).filter((name) => (section.modules as TwinObject)[name] !== null) : [],
  );
  return { schemaVersion: String(section.schemaVersion), runtime, systemModules, modules, names };
}

/** The minor version; what is wrong with it is said. */
function readVersion(section: Readonly<Record<string, unknown>>, keys: Keys, last: number, findings: Findings): number | undefined {
  const { schemaVersion } = section;
  const path = [...keys, 'schemaVersion'];
  const hint = `write "1.0" or "1.1"`;
  if (schemaVersion === undefined) {
    findings.error(keys, 'schema-version', 'schemaVersion is missing', hint, 'key');
    return undefined;
  }
  const match = typeof schemaVersion === 'string' ? /^(\d+)\.(\d+)(?:\.\d+)?$/.exec(schemaVersion) : null;
  const [major, minor] = [Number(match?.[1]), Number(match?.[2])];
  if (match && major === 1 && minor <= last) return minor;
  findings.error(path, 'schema-version', `schemaVersion: ${JSON.stringify(schemaVersion)} is not known; 1.0 to 1.${last} are`, hint);
  return undefined;
}

const Runtime = z.looseObject({
  type: z.literal('docker', { error: 'only docker is known' }),
  settings: z
    .looseObject({
      minDockerVersion: z.string().default(''),
      loggingOptions: z.string().nullish(),
      registryCredentials: z
        .record(z.string(), z.looseObject({ address: z.string().min(1), username: z.string(), password: z.string() }))
        .nullish(),
    })
    .optional(),
});

function readRuntime(value: unknown, keys: Keys, findings: Findings): RuntimeSpec {
  const none: RuntimeSpec = { type: 'docker', minDockerVersion: '', loggingOptions: '', registryCredentials: new Map() };
  const found = findings.check(value, Runtime, keys);
  if (!found) return none;
  const { minDockerVersion = '', loggingOptions, registryCredentials } = found.settings ?? {};
  const credentials = new Map<string, RegistryCredentials>(
    Object.entries(registryCredentials ?? {}).map(([name, { address, username, password }]) => [name, { address, username, password }]),
  );
  return { type: 'docker', minDockerVersion, loggingOptions: loggingOptions ?? '', registryCredentials: credentials };
}

function readSystemModules(
  value: unknown,
  keys: Keys,
  findings: Findings,
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, ModuleSpec> {
  const found = findings.check(value, Json, keys);
  unknownKeys(found, ['edgeAgent', 'edgeHub'], keys, findings);
  const modules = new Map<string, ModuleSpec>();
  for (const name of ['edgeAgent', 'edgeHub']) {
    if (!found) break;
    if (found[name] === undefined) {
      findings.error(
        keys,
        'missing-key',
        `${name} is missing in systemModules`,
        'the gateway is both; it is there for other runtimes',
        'key',
      );
      continue;
    }
    const spec = readModule(name, found[name], [...keys, name], findings, environment);
    if (spec) modules.set(name, spec);
  }
  return modules;
}

function readModules(
  value: unknown,
  keys: Keys,
  findings: Findings,
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlyMap<string, ModuleSpec> {
  const modules = new Map<string, ModuleSpec>();
  const lower = new Map<string, string>();
  for (const [name, one] of Object.entries(findings.check(value, Json, keys) ?? {})) {
    // As a twin takes a key out.
    if (one === null) continue;
    const twin = lower.get(name.toLowerCase());
    if (twin !== undefined)
      findings.error(
        [...keys, name],
        'duplicate-module',
        `${name} and ${twin} differ in case only; containers and identities do not`,
        undefined,
        'key',
      );
    lower.set(name.toLowerCase(), name);
    if (builtIn.includes(name.toLowerCase())) {
      const hint = 'give the module another name';
      findings.error([...keys, name], 'bad-name', `${name} is a name of the gateway itself`, hint, 'key');
      continue;
    }
    const spec = readModule(name, one, [...keys, name], findings, environment);
    if (spec) modules.set(name, spec);
  }
  return modules;
}

const builtIn = ['edgeagent', 'edgehub', '$edgeagent', '$edgehub', 'dragoman'];

function readTwins(
  content: Record<string, unknown>,
  keys: Keys,
  agent: AgentSection | undefined,
  findings: Findings,
): ReadonlyMap<string, TwinObject> {
  const twins = new Map<string, TwinObject>();
  for (const [name, value] of Object.entries(content)) {
    if (name === '$edgeAgent' || name === '$edgeHub') continue;
    const found = desiredOf(value, [...keys, name], findings);
    if (!found) continue;
    // As the service counts it; a manifest that comes in a file is held to the same.
    const refusal = checkSection(withoutNulls(found.section), 'desired');
    if (refusal) findings.error(found.keys, 'twin-limit', `${name}: ${refusal.path === '' ? '' : `${refusal.path}: `}${refusal.message}`);
    if (agent && !agent.names.has(name))
      findings.warn(
        [...keys, name],
        'unknown-module',
        `${name} has desired properties and is no module of $edgeAgent`,
        suggestionFor(name, agent),
        'key',
      );
    twins.set(name, found.section as TwinObject);
  }
  return twins;
}

const suggestionFor = (name: string, agent: AgentSection): string =>
  agent.names.size === 0
    ? 'the deployment has no modules'
    : `modules: ${[...agent.names].slice(0, 10).join(', ')}; it is kept for a module "${name}" of another deployment`;

/** Null takes a key out of a twin. */
function withoutNulls(section: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(section, (_, value) => (value === null ? undefined : value)));
}

const named = /\/modules\/([^/*\s"'?]+)/gi;

function checkRoutedModules({ routes }: HubSection, { names }: AgentSection, keys: Keys, findings: Findings): void {
  const known = new Set([...names, ...builtIn].map((name) => name.toLowerCase()));
  for (const { name, route } of routes) {
    const missing = new Set([...route.matchAll(named)].map(([, module]) => module!).filter((module) => !known.has(module.toLowerCase())));
    for (const module of missing)
      findings.warn(
        [...keys, 'routes', name],
        'unknown-module',
        `route ${name}: there is no module ${module}`,
        'until it comes, what is for it waits',
      );
  }
}
