import type { Problem } from '../model/problem.ts';
import type { TwinObject } from '../twin/section.ts';

/** What a person asked for, validated: the content of one IoT Edge deployment manifest (schema 1.0 and 1.1). */
export interface Manifest {
  readonly schemaVersion: string;
  readonly runtime: RuntimeSpec;
  /**
   * `edgeAgent` and `edgeHub` as the manifest names them. The gateway is both; their images are not run, their `env` is reported and
   * otherwise ignored, and a person is told so once.
   */
  readonly systemModules: ReadonlyMap<string, ModuleSpec>;
  /** By name, without the system modules. */
  readonly modules: ReadonlyMap<string, ModuleSpec>;
  readonly routes: readonly RouteSpec[];
  readonly storeAndForward: StoreAndForward;
  /** Desired properties of module twins that the manifest carries; by module name. */
  readonly twins: ReadonlyMap<string, TwinObject>;
}

export interface RuntimeSpec {
  readonly type: 'docker';
  readonly minDockerVersion: string;
  /** As the manifest has it; JSON of Docker's LogConfig or empty. */
  readonly loggingOptions: string;
  readonly registryCredentials: ReadonlyMap<string, RegistryCredentials>;
}

export interface RegistryCredentials {
  readonly address: string;
  readonly username: string;
  readonly password: string;
}

export type DesiredStatus = 'running' | 'stopped';
export type RestartPolicy = 'never' | 'on-failure' | 'on-unhealthy' | 'always';
export type ImagePullPolicy = 'on-create' | 'never';

/** One module of a manifest: plain JSON, comparable. */
export interface ModuleSpec {
  readonly name: string;
  /** Free text of the manifest. */
  readonly version: string;
  readonly status: DesiredStatus;
  readonly restartPolicy: RestartPolicy;
  readonly imagePullPolicy: ImagePullPolicy;
  /** 0 to 4294967295, lower first; default 4294967295. */
  readonly startupOrder: number;
  readonly env: Readonly<Record<string, string>>;
  /** With a tag or a digest: `repo/name:1.0`, `repo/name@sha256:…`. */
  readonly image: string;
  /** `sha256:…` that the image must have; from `settings.digest`. */
  readonly digest?: string;
  /** Docker's ContainerCreate body, joined and parsed. */
  readonly createOptions: TwinObject;
}

export interface RouteSpec {
  readonly name: string;
  /** `FROM … [WHERE …] INTO …`, as written. */
  readonly route: string;
  /** 0 (first) to 9; undefined is behind all of them. */
  readonly priority: number | undefined;
  /** Undefined: as `storeAndForward` says. */
  readonly timeToLiveSecs: number | undefined;
}

export interface StoreAndForward {
  /** Negative: for ever. */
  readonly timeToLiveSecs: number;
  readonly maxSizeBytes: number | undefined;
}

/** One thing wrong in a manifest. `path` is a JSON path: `modulesContent.$edgeAgent['properties.desired'].modules.filter.settings.image`. */
export interface ManifestProblem extends Omit<Problem, 'file' | 'line' | 'column'> {
  readonly path: string;
  /** The same, step by step; for whoever knows where in a text that stands. */
  readonly keys: readonly (string | number)[];
  /** How many characters within the text there. */
  readonly inside?: number;
  /** The key itself is at fault, not what stands behind it. */
  readonly which?: 'key' | 'value';
  /** Where there is a text. */
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

export type RuntimeStatus = 'unknown' | 'running' | 'stopped' | 'failed' | 'backoff' | 'unhealthy' | 'dead';

/** A module as the engine has it now, whether it should be there or not. */
export interface RunningModule {
  readonly name: string;
  /** What it was made from; undefined when that is not known (its record is gone): it is replaced then. */
  readonly spec: ModuleSpec | undefined;
  /** Id of the image that its container was made from, `sha256:…`. */
  readonly imageId: string;
  readonly runtimeStatus: RuntimeStatus;
}

/** What the engine is asked for next. Order matters, within a plan and between the kinds. */
export type Step =
  | { readonly kind: 'pull'; readonly image: string; readonly modules: readonly string[] }
  | { readonly kind: 'create'; readonly module: string; readonly reason: string }
  | { readonly kind: 'replace'; readonly module: string; readonly reason: string }
  | { readonly kind: 'start'; readonly module: string; readonly reason: string }
  | { readonly kind: 'stop'; readonly module: string; readonly reason: string }
  | { readonly kind: 'remove'; readonly module: string; readonly reason: string };

/** From what runs to what is wanted. `keep` names those that nothing happens to. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly keep: readonly string[];
}

/** A module as an identity: what its token proves. */
export interface ModuleIdentity {
  readonly deviceId: string;
  readonly moduleId: string;
  /** Changes when the identity is deleted and made again. */
  readonly generationId: string;
  /** Base64, 16 to 64 bytes. */
  readonly primaryKey: string;
  readonly secondaryKey?: string;
}

/** A message on its way through the routes. */
export interface RoutedMessage {
  /** `/messages/modules/filter/outputs/out`, `/messages/modules/filter`, `/messages` (a device), `/twinChangeNotifications`. */
  readonly source: string;
  readonly body: Uint8Array;
  /** Application properties. */
  readonly properties: Readonly<Record<string, string>>;
  /** System properties by their routing names: `contentType`, `contentEncoding`, `messageId`, `connectionDeviceId`, `connectionModuleId`, `outputName`, … */
  readonly system: Readonly<Record<string, string>>;
}

/** Where a message goes. */
export type Endpoint = { readonly kind: 'upstream' } | { readonly kind: 'input'; readonly module: string; readonly input: string };

/** One endpoint that a message goes to, once, at the best of the priorities of the routes that lead there. */
export interface RouteTarget {
  readonly endpoint: Endpoint;
  /** 0 to 9, or 2000000000. */
  readonly priority: number;
  /** Seconds; negative: for ever. */
  readonly timeToLiveSecs: number;
  /** The route by which it goes. */
  readonly route: string;
}

/** All routes of a manifest, compiled. */
export interface RouteTable {
  readonly specs: readonly RouteSpec[];
  /** Where they lead; some several times. */
  readonly endpoints: readonly Endpoint[];
  /** Empty: it is dropped. Never throws: an expression that fails is undefined, which routes nothing. */
  match(message: RoutedMessage): readonly RouteTarget[];
  /** Whether any message of this source can go anywhere, or to an endpoint of this kind; where it is false, none need be made. */
  wants(source: string, kind?: Endpoint['kind']): boolean;
}
