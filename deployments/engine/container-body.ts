import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { ModuleSpec } from '../contract.ts';
import type { ContainerBody } from './contract.ts';
import { edgeOwner, labelNames, specHash } from './labels.ts';
import { defaultLogConfig, readLoggingOptions } from './logging.ts';
import { listOf, objectOf, readOptions } from './options.ts';

/** What the gateway adds to the options of a manifest. */
export interface ContainerHost {
  /** Its name, for the labels. */
  readonly gateway: string;
  /** `sha256:…`, as `Images.ensure` answered. */
  readonly imageId: string;
  /** A network of our own; made by `Engine.ensureNetwork`. */
  readonly network: string;
  /** Wins over the manifest's: `IOTEDGE_…`. */
  readonly env: Readonly<Record<string, string>>;
  /** `/on/host:/in/container[:ro]`. */
  readonly binds: readonly string[];
  /** `gw-leeds-1:host-gateway`. */
  readonly extraHosts?: readonly string[];
  /** Of the runtime of the manifest; see {@link readLoggingOptions}. */
  readonly loggingOptions: string;
  /** The policy allows `unknown-options`: they reach the engine. */
  readonly unknownOptions?: boolean;
}

/**
 * The body of Docker's ContainerCreate for a module whose options passed the policy. Pure. Of one variable in two places that of the gateway wins,
 * then the manifest's `env`, then the options' `Env`. The engine never restarts it (we do) and never removes it.
 */
export function containerBody(spec: ModuleSpec, host: ContainerHost): ContainerBody {
  const { options } = readOptions(spec.createOptions, { keepUnknown: host.unknownOptions ?? false });
  const hostConfig = objectOf(options.HostConfig);
  const networkMode = networkOf(hostConfig, options, host.network);
  return {
    ...options,
    Image: host.imageId,
    Env: environment(options.Env, spec.env, host.env),
    Labels: { ...objectOf(options.Labels), ...labels(spec, host) },
    HostConfig: {
      ...hostConfig,
      Binds: [...listOf(hostConfig.Binds), ...host.binds],
      ...(host.extraHosts && networkMode === host.network && { ExtraHosts: [...listOf(hostConfig.ExtraHosts), ...host.extraHosts] }),
      LogConfig: logConfig(hostConfig.LogConfig, host.loggingOptions),
      NetworkMode: networkMode,
      RestartPolicy: { Name: 'no' },
      AutoRemove: false,
    },
    ...(networkMode === host.network && { NetworkingConfig: { EndpointsConfig: endpoints(options, host.network, spec.name) } }),
  };
}

function environment(options: unknown, ...stronger: readonly Readonly<Record<string, string>>[]): readonly string[] {
  const all = new Map<string, string | undefined>();
  for (const one of listOf(options)) {
    const text = String(one);
    const at = text.indexOf('=');
    // Without a value the engine takes the variable away from what the image has.
    all.set(at < 0 ? text : text.slice(0, at), at < 0 ? undefined : text.slice(at + 1));
  }
  for (const env of stronger) for (const [name, value] of Object.entries(env)) all.set(name, value);
  return [...all].map(([name, value]) => (value === undefined ? name : `${name}=${value}`));
}

const labels = (spec: ModuleSpec, { gateway }: ContainerHost): Readonly<Record<string, string>> => ({
  [labelNames.owner]: edgeOwner,
  [labelNames.gateway]: gateway,
  [labelNames.module]: spec.name,
  [labelNames.spec]: specHash(spec),
  [labelNames.image]: spec.image,
});

/** `Type` empty is the engine's default, which has no limit. */
function logConfig(options: unknown, loggingOptions: string): TwinObject {
  if (isTwinObject(options) && typeof options.Type === 'string' && options.Type !== '') return options;
  return readLoggingOptions(loggingOptions) ?? defaultLogConfig;
}

/** Ours, unless the options name one: a mode, or a network to be joined. */
function networkOf(hostConfig: TwinObject, options: TwinObject, ours: string): string {
  const mode = hostConfig.NetworkMode;
  if (typeof mode === 'string' && mode !== '' && mode !== 'default') return mode;
  const named = Object.keys(objectOf(objectOf(options.NetworkingConfig).EndpointsConfig));
  return named.length === 0 || named.includes(ours) ? ours : named[0]!;
}

/** Others find a module by its name. */
function endpoints(options: TwinObject, network: string, module: string): TwinObject {
  const written = objectOf(objectOf(options.NetworkingConfig).EndpointsConfig);
  const ours = objectOf(written[network]);
  const aliases = new Set([...listOf(ours.Aliases).map(String), module]);
  return { ...written, [network]: { ...ours, Aliases: [...aliases] } };
}
