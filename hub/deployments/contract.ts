import type { TwinObject } from '../../twin/section.ts';
import type { IfMatch } from '../core/contract.ts';
import type { RolloutAction, RolloutDocument } from './rollout/contract.ts';

/**
 * What a configuration writes into twins. `edge`: a whole manifest, one of them on a device. `layer`: a layered deployment, on top of a whole
 * one. `device`, `module`: parts of the desired properties of a device, of modules.
 */
export const contentKinds = ['edge', 'layer', 'device', 'module'] as const;
export type ContentKind = (typeof contentKinds)[number];

/** As the service's REST API has it: one of `modulesContent`, `deviceContent`, `moduleContent`. Never changes. */
export type ConfigurationContent = TwinObject;

/** What a client may say about a configuration. */
export interface ConfigurationInput {
  readonly schemaVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly content: ConfigurationContent;
  /** A condition over `deviceId`, `tags` and `properties.reported`; `*` is every device, empty is none. */
  readonly targetCondition: string;
  /** Larger wins. */
  readonly priority: number;
  /** Custom metrics: the number of rows of each query. */
  readonly metrics: Readonly<Record<string, string>>;
}

/** A configuration as it lies on the disk. */
export interface Configuration extends ConfigurationInput {
  readonly id: string;
  readonly kind: ContentKind;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** Base64; changes with every change. */
  readonly etag: string;
}

export interface Metrics {
  readonly results: Readonly<Record<string, number>>;
  readonly queries: Readonly<Record<string, string>>;
}

/** As `GET /configurations/{id}` gives it. */
export interface ConfigurationDocument {
  readonly id: string;
  readonly schemaVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly content: ConfigurationContent;
  readonly targetCondition: string;
  readonly priority: number;
  readonly createdTimeUtc: string;
  readonly lastUpdatedTimeUtc: string;
  readonly systemMetrics: Metrics;
  readonly metrics: Metrics;
  readonly etag: string;
  /** Only with a rollout in its labels. Not of the service; clients made for it leave it out of account. */
  readonly rollout?: RolloutDocument;
}

/** `Applied`: what it wants is in the twin. `Targeted`: it matches, and another one has precedence or its turn has not come. */
export type ConfigurationStatus = 'Applied' | 'Targeted';

/** Of one identity, by the id of the configuration; the `configurations` of a twin document. */
export type Statuses = Readonly<Record<string, ConfigurationStatus>>;

/** One of several hundred places that may be wrong in a configuration, in one line: place, what, what to do. */
export type ContentProblem = string;

/** Answer to a test of a target condition and of metrics: the errors; empty where there are none. */
export interface QueriesTest {
  readonly targetConditionError: string;
  readonly customMetricQueryErrors: Readonly<Record<string, string>>;
}

/**
 * Configurations, and the twins as they want them. What changes something resolves when it is on disk; twins follow, and are right again after
 * every start. Rejects with a RequestError: 400, 404, 409, 412.
 */
export interface Deployments {
  get(id: string): ConfigurationDocument | undefined;
  /** In the order of their ids. */
  list(top?: number): readonly ConfigurationDocument[];
  /** `body` is what a client sent; all that is wrong with it is said at once. */
  create(id: string, body: unknown): Promise<ConfigurationDocument>;
  /** Content stays as it is; a body without one keeps it, too. Without etag: whatever is there. */
  update(id: string, body: unknown, ifMatch: IfMatch): Promise<ConfigurationDocument>;
  delete(id: string, ifMatch: IfMatch): Promise<void>;
  testQueries(body: unknown): Promise<QueriesTest>;
  /** Writes a content into the twins of one device, once; refused where a configuration has the device. */
  applyContent(deviceId: string, content: unknown): Promise<void>;
  /** Pauses a rollout, lets it go on, takes it back. 404, 409 when it has none. */
  steer(id: string, action: RolloutAction): Promise<ConfigurationDocument>;
  /** Resolves when every twin is as the configurations want it. */
  settled(): Promise<void>;
}
