import type { GatewayError } from '../../model/error.ts';
import type { TwinObject } from '../../twin/section.ts';
import type { RegistryCredentials } from '../contract.ts';

/**
 * What we need of a container engine. Every call rejects with a {@link GatewayError} whose code is one of {@link EngineCode} and whose text
 * names engine, image or container; nothing else is thrown. Calls may be made side by side. A call whose connection breaks may or may not have
 * had its effect: look with `containers` before it is done again.
 */
export interface Engine extends AsyncDisposable {
  /** Where it is, for messages: `unix:/var/run/docker.sock`. */
  readonly at: string;
  info(): Promise<EngineInfo>;

  /** Undefined: the engine does not have it. */
  image(reference: string): Promise<EngineImage | undefined>;
  images(): Promise<readonly EngineImage[]>;
  pull(reference: string, options: PullOptions): Promise<void>;
  /** A `docker save` or OCI archive. Answers what it held: references, or ids of images without one. */
  load(file: string): Promise<readonly string[]>;
  /** In use by a container: rejects with `engine-conflict`. */
  removeImage(id: string): Promise<void>;

  /** Made, not started. Answers its id. */
  create(name: string, container: ContainerBody): Promise<string>;
  /** Already running: resolves. */
  start(id: string): Promise<void>;
  /** SIGTERM, then SIGKILL after that time. Not running, or not there: resolves. */
  stop(id: string, graceSeconds: number): Promise<void>;
  /** With its anonymous volumes, even when it runs. Not there: resolves. */
  remove(id: string): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  /** Running and ended ones that carry all these labels. */
  containers(labels: Readonly<Record<string, string>>): Promise<readonly Container[]>;
  /** Undefined: there is none such. By id or name. */
  container(id: string): Promise<Container | undefined>;
  /** Oldest first; both streams as they came. Ends with the last line unless `follow`. */
  logs(id: string, options: LogOptions): AsyncIterable<LogLine>;
  /** Exits, starts and changes of health of containers that carry the labels. Ends with an error when the engine goes away. */
  events(labels: Readonly<Record<string, string>>, signal: AbortSignal): AsyncIterable<EngineEvent>;
  /** Makes the bridge network when it is not there. */
  ensureNetwork(name: string): Promise<void>;
}

export type EngineCode =
  /** No socket, nobody answers on it, or the engine was stopped meanwhile. Passes by itself. */
  | 'engine-absent'
  /** The socket does not let us. */
  | 'engine-forbidden'
  | 'image-absent'
  /** Name or network of the registry; the registry is away. Passes by itself. */
  | 'registry-unreachable'
  | 'registry-refused'
  | 'engine-disk-full'
  | 'port-taken'
  /** A name that is taken, an image in use, a container that is being removed. */
  | 'engine-conflict'
  /** The engine does not take the createOptions. */
  | 'container-refused'
  | 'engine-error';

export interface EngineInfo {
  /** `docker`, `podman`. */
  readonly name: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly operatingSystem: string;
  readonly architecture: string;
}

export interface EngineImage {
  /** `sha256:…` of its configuration. */
  readonly id: string;
  /** `repo:tag`. */
  readonly tags: readonly string[];
  /** `repo@sha256:…`: digests of manifests by which registries know it. */
  readonly digests: readonly string[];
  readonly sizeBytes: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PullOptions {
  readonly credentials: RegistryCredentials | undefined;
  /** One line as the engine says it, at most a few in a second. */
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Body of Docker's `POST /containers/create`. */
export type ContainerBody = TwinObject;

export interface Container {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  /** Undefined: the image has no HEALTHCHECK. */
  readonly health: 'starting' | 'healthy' | 'unhealthy' | undefined;
  /** Of the last end; 0 when it has not ended. */
  readonly exitCode: number;
  /** ISO 8601; undefined: never. */
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
  /** What the engine says of an end: `OOMKilled`, or a text of the runtime. */
  readonly error: string | undefined;
  readonly mounts?: readonly Mount[];
}

export interface Mount {
  /** Inside the container. */
  readonly to: string;
  /** On the machine of the engine; undefined: in memory. */
  readonly from: string | undefined;
}

export interface LogOptions {
  /** Lines from the end; undefined: all. */
  readonly tail?: number;
  /** Seconds since 1970. */
  readonly since?: number;
  readonly until?: number;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

export interface LogLine {
  /** ISO 8601 as the engine has it: with nanoseconds; of podman 4 in whole seconds. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** Without line end. */
  readonly text: string;
}

export interface EngineEvent {
  readonly container: string;
  readonly kind: 'start' | 'die' | 'oom' | 'health' | 'destroy';
  /** Of `die`. */
  readonly exitCode?: number;
  /** Of `health`. */
  readonly health?: 'healthy' | 'unhealthy';
}

/** Where the engine is found, when it is needed; rejects with `engine-absent` or `engine-forbidden`. */
export type OpenEngine = () => Promise<Engine>;

export type EngineError = GatewayError & { readonly code: EngineCode };
