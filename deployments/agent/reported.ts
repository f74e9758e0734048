import { maxSectionBytes, sectionSize } from '../../twin/limits.ts';
import type { TwinObject } from '../../twin/section.ts';
import type { Manifest, ModuleSpec } from '../contract.ts';
import type { EngineInfo } from '../engine/contract.ts';
import { writeCreateOptions } from '../manifest/create-options.ts';
import type { AgentOptions, DeploymentStatus } from './contract.ts';
import type { ModuleView } from './module-runner.ts';

export interface ReportedParts {
  readonly version: AgentOptions['version'];
  readonly desiredVersion: number | undefined;
  readonly status: DeploymentStatus;
  readonly manifest: Pick<Manifest, 'runtime' | 'systemModules'> | undefined;
  readonly engine: EngineInfo | undefined;
  /** ISO 8601; of the gateway, which is edgeAgent and edgeHub. */
  readonly startedAt: string;
  readonly modules: ReadonlyMap<string, ModuleView>;
}

const never = '0001-01-01T00:00:00Z';
/** A text of a twin has at most 4096 bytes. */
const longestText = 1_000;

/**
 * Reported properties of `$edgeAgent`, whole. Passwords of registries are left out; where a twin would not hold it all, so is what modules were made
 * from (env, createOptions): how they are comes first.
 */
export function reportedOf(parts: ReportedParts): TwinObject {
  const whole = written(parts, specOf);
  return sectionSize(whole) <= maxSectionBytes.reported ? whole : written(parts, shortSpecOf);
}

function written(parts: ReportedParts, ofSpec: typeof specOf): TwinObject {
  const { version, desiredVersion, status, manifest, engine, modules } = parts;
  return {
    schemaVersion: '1.1',
    version,
    ...(desiredVersion !== undefined && { lastDesiredVersion: desiredVersion }),
    lastDesiredStatus: { code: status.code, description: clipped(status.description) },
    runtime: runtimeOf(manifest, engine),
    systemModules: systemModulesOf(parts),
    modules: Object.fromEntries([...modules].map(([name, view]) => [name, moduleOf(view, ofSpec)])),
  };
}

export const clipped = (text: string): string => (text.length <= longestText ? text : `${text.slice(0, longestText - 1)}…`);

function runtimeOf(manifest: ReportedParts['manifest'], engine: EngineInfo | undefined): TwinObject {
  const { minDockerVersion = '', loggingOptions = '', registryCredentials = new Map() } = manifest?.runtime ?? {};
  const credentials = [...registryCredentials].map(([name, { address, username }]) => [name, { address, username }]);
  return {
    type: 'docker',
    platform: {
      os: engine?.operatingSystem ?? 'unknown',
      architecture: engine?.architecture ?? 'unknown',
      version: engine?.version ?? 'unknown',
    },
    settings: { minDockerVersion, loggingOptions, ...(credentials.length > 0 && { registryCredentials: Object.fromEntries(credentials) }) },
  };
}

/** They are this process: they run, or nobody could report it. */
function systemModulesOf({ manifest, startedAt }: ReportedParts): TwinObject {
  const now = {
    type: 'docker',
    runtimeStatus: 'running',
    exitCode: 0,
    statusDescription: 'part of the gateway',
    lastStartTimeUtc: startedAt,
    lastExitTimeUtc: never,
  };
  const settings = (name: string): TwinObject => ({
    image: manifest?.systemModules.get(name)?.image ?? '',
    imageHash: '',
    createOptions: '{}',
  });
  const policy = { imagePullPolicy: 'on-create', env: {} };
  return {
    edgeAgent: { ...now, ...policy, settings: settings('edgeAgent') },
    edgeHub: {
      ...now,
      ...policy,
      status: 'running',
      restartPolicy: 'always',
      restartCount: 0,
      lastRestartTimeUtc: never,
      settings: settings('edgeHub'),
    },
  };
}

function moduleOf({ spec, imageId, runtimeStatus, description, container, restarts }: ModuleView, ofSpec: typeof specOf): TwinObject {
  return {
    type: 'docker',
    ...(spec && ofSpec(spec, imageId)),
    runtimeStatus,
    exitCode: container?.exitCode ?? 0,
    statusDescription: clipped(description),
    lastStartTimeUtc: container?.startedAt ?? never,
    lastExitTimeUtc: container?.finishedAt ?? never,
    restartCount: restarts.count,
    lastRestartTimeUtc: restarts.lastMs === undefined ? never : new Date(restarts.lastMs).toISOString(),
  };
}

function specOf(spec: ModuleSpec, imageHash: string): TwinObject {
  const { version, status, restartPolicy, imagePullPolicy, startupOrder, env, image, createOptions } = spec;
  return {
    ...(version !== '' && { version }),
    ...{ status, restartPolicy, imagePullPolicy, startupOrder },
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, { value }])),
    settings: { image, imageHash, ...writeCreateOptions(createOptions) },
  };
}

function shortSpecOf({ version, status, restartPolicy, image }: ModuleSpec, imageHash: string): TwinObject {
  return { ...(version !== '' && { version }), status, restartPolicy, settings: { image, imageHash } };
}
