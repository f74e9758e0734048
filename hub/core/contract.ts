import type { CertificateChain } from '../certificate-chain.ts';
import type { Deployments } from '../deployments/contract.ts';
import type { RequestError } from './request-error.ts';

/**
 * What the hub is, for everything that asks it something from inside the process: REST, AMQP, the query language, deployments.
 * `startHub` makes one and gives it to its listeners. Documents have the form of the service's REST API; times in them are ISO 8601.
 * Whatever changes something resolves when it is on disk, and rejects with a {@link RequestError} that carries the status and
 * code for REST.
 */
export interface HubCore {
  readonly identities: Identities;
  readonly twins: Twins;
  readonly methods: Methods;
  readonly messages: CloudMessages;
  readonly feedback: Feedback;
  readonly inputs: ModuleInputs;
  readonly events: Events;
  readonly policies: PolicyLookup;
  readonly deployments: Deployments;
  /** Answers whether a host (any case, with or without port) is one of this hub's names. */
  isOurName(host: string): boolean;
  /**
   * Whether it is this device that asks: by a token of its own (`SharedAccessSignature …` without a policy), or by the certificate of its
   * connection. Undefined when it is; else what is wrong, without a secret, the same for a device that is not there.
   */
  proveDevice(deviceId: string, shown: DeviceShown): string | undefined;
}

/** What a device has to show for itself. */
export interface DeviceShown {
  readonly token: string | undefined;
  readonly certificates: () => CertificateChain;
}

export type { RequestError };

/** One identity: a device, or a module of it. */
export interface IdentityName {
  readonly deviceId: string;
  readonly moduleId?: string | undefined;
}

export type JsonObject = { readonly [key: string]: unknown };

/** Without quotes. Undefined and `*` match everything that exists. */
export type IfMatch = string | undefined;

export interface AuthenticationDocument {
  readonly type: 'sas' | 'selfSigned' | 'certificateAuthority' | 'none';
  /** Keys of 16 to 64 bytes, base64. */
  readonly symmetricKey: { readonly primaryKey: string | null; readonly secondaryKey: string | null };
  /** SHA-1 or SHA-256, hex. */
  readonly x509Thumbprint: { readonly primaryThumbprint: string | null; readonly secondaryThumbprint: string | null };
}

/** A device or a module, as `GET /devices/{id}[/modules/{id}]` gives it. */
export interface IdentityDocument {
  readonly deviceId: string;
  /** Modules only. */
  readonly moduleId?: string;
  /** Modules only: `IotEdge` for `$edgeAgent` and `$edgeHub`. */
  readonly managedBy?: string;
  /** Changes when the identity is deleted and made again. */
  readonly generationId: string;
  /** Base64; changes with every change of the identity. */
  readonly etag: string;
  readonly connectionState: 'Connected' | 'Disconnected';
  /** `0001-01-01T00:00:00Z`: never. So are the other times. */
  readonly connectionStateUpdatedTime: string;
  readonly lastActivityTime: string;
  readonly cloudToDeviceMessageCount: number;
  readonly authentication: AuthenticationDocument;
  /** Devices only, and so are the next three. */
  readonly status?: 'enabled' | 'disabled';
  readonly statusReason?: string | null;
  readonly statusUpdatedTime?: string;
  readonly capabilities?: { readonly iotEdge: boolean };
}

/** What a client may say about an identity; the rest of a document it sends back is ignored. */
export interface IdentityInput extends IdentityName {
  readonly status?: 'enabled' | 'disabled';
  readonly statusReason?: string | null;
  readonly capabilities?: { readonly iotEdge?: boolean };
  readonly managedBy?: string;
  /** Empty keys are generated for a new identity, and kept for one that is there. Absent: `sas`, likewise. */
  readonly authentication?: {
    readonly type?: AuthenticationDocument['type'];
    readonly symmetricKey?: { readonly primaryKey?: string | null; readonly secondaryKey?: string | null } | null;
    readonly x509Thumbprint?: { readonly primaryThumbprint?: string | null; readonly secondaryThumbprint?: string | null } | null;
  };
}

export interface Identities {
  get(name: IdentityName): IdentityDocument | undefined;
  /** Devices in the order of their ids; `after` is the last id of the page before. */
  listDevices(page?: { readonly top?: number; readonly after?: string }): readonly IdentityDocument[];
  /** Of a device that is not there: none. */
  listModules(deviceId: string): readonly IdentityDocument[];
  statistics(): { readonly totalDeviceCount: number; readonly enabledDeviceCount: number; readonly disabledDeviceCount: number };
  /**
   * 409 when it is there, 404 for a module of no device, 400 for what cannot be. `capabilities.iotEdge` makes `$edgeAgent` and `$edgeHub`, too;
   * `twin` is what it starts with.
   */
  create(input: IdentityInput, twin?: TwinPatch): Promise<IdentityDocument>;
  /** Replaces what the input says, keeps what it does not. 404, 412. A disabled device loses its connection, and so does one whose keys changed. */
  update(input: IdentityInput, ifMatch?: IfMatch): Promise<IdentityDocument>;
  /** With modules, twins, sessions and waiting messages; telemetry stays. 404, 412. */
  delete(name: IdentityName, ifMatch?: IfMatch): Promise<void>;
  /** After each change in this process, in order; what the command line does to identities in a process of its own is not among them. */
  onChange(listener: (change: IdentityChange) => void): Disposable;
}

export interface IdentityChange extends IdentityName {
  readonly kind: 'created' | 'updated' | 'deleted';
}

/** `properties.desired` and `properties.reported` carry `$metadata` and `$version`; tags carry neither. */
export interface TwinDocument {
  readonly deviceId: string;
  readonly moduleId?: string;
  /** Base64; changes with tags and desired properties. */
  readonly etag: string;
  readonly deviceEtag: string;
  readonly status: 'enabled' | 'disabled';
  readonly statusReason?: string;
  readonly statusUpdateTime: string;
  readonly connectionState: 'Connected' | 'Disconnected';
  readonly lastActivityTime: string;
  readonly cloudToDeviceMessageCount: number;
  readonly authenticationType: AuthenticationDocument['type'];
  readonly x509Thumbprint: AuthenticationDocument['x509Thumbprint'];
  readonly modelId: string;
  /** Rises with each change of anything in the twin. */
  readonly version: number;
  readonly tags: JsonObject;
  readonly properties: { readonly desired: JsonObject; readonly reported: JsonObject };
  /** Devices only. */
  readonly capabilities?: { readonly iotEdge: boolean };
  /** Deployments by condition, by their ids: `Applied` or `Targeted`. Absent when there are none. */
  readonly configurations?: Readonly<Record<string, { readonly status: string }>>;
}

export interface TwinPatch {
  readonly tags?: JsonObject | null;
  readonly properties?: { readonly desired?: JsonObject | null };
}

export interface Twins {
  get(name: IdentityName): TwinDocument | undefined;
  /** One after the other, in the order of ids: the twins of devices, or those of all modules of all devices. */
  all(of: 'devices' | 'modules'): Iterable<TwinDocument>;
  /**
   * Merge patches (RFC 7396) of tags and desired properties. `$metadata` and `$version` in it are ignored. 404, 412, 400 for what a
   * twin cannot hold, 413. The device hears of its desired properties at once when it is connected.
   */
  patch(name: IdentityName, patch: TwinPatch, ifMatch?: IfMatch): Promise<TwinDocument>;
  /** Sections that are there are replaced, the others stay. The device is told a merge patch with `null` for what is gone. */
  replace(name: IdentityName, twin: TwinPatch, ifMatch?: IfMatch): Promise<TwinDocument>;
  /** After each change that is on disk, in order; also of reported properties and of twins that begin (`kind` created). */
  onChange(listener: (change: TwinChange) => void): Disposable;
}

export interface TwinChange extends IdentityName {
  readonly kind: 'created' | 'tags' | 'desired' | 'reported';
  /** Top-level version of the twin. */
  readonly version: number;
}

export interface MethodRequest {
  /** 1 to 100 characters of `A-Z a-z 0-9 _ . -`. */
  readonly name: string;
  /** Anything JSON; undefined goes out as `null`. At most 128 KB. */
  readonly payload?: unknown;
  /** 5 s to 300 s at the service; 1 ms and more here. Default 30 s. */
  readonly responseTimeoutMs?: number;
  /** How long to wait for a device that is not connected. Default 0. */
  readonly connectTimeoutMs?: number;
}

export interface MethodAnswer {
  /** Chosen by the device. */
  readonly status: number;
  readonly payload: unknown;
}

export interface Methods {
  /**
   * Rejects with 404 DeviceNotFound; 404 (404103) when it is not connected, or does not listen for methods, in time; 504 (504101) when no
   * answer came in time, 502 when it was no JSON; 503 when the signal aborts or the hub stops; 400 for a wrong name or payload. Whether the device ran it is unknown after a 504: it may
   * also answer over its next connection, in time.
   */
  invoke(name: IdentityName, request: MethodRequest, signal?: AbortSignal): Promise<MethodAnswer>;
}

export interface CloudMessage {
  readonly body: Uint8Array;
  /** Application properties. */
  readonly properties?: Readonly<Record<string, string>>;
  readonly messageId?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly userId?: string | undefined;
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  /** Default: `/devices/{id}/messages/devicebound`. */
  readonly to?: string | undefined;
  /** Epoch milliseconds; default in an hour, at most in two days. */
  readonly expiresMs?: number | undefined;
  /** Which feedback the sender asks for. Default none. */
  readonly ack?: 'none' | 'positive' | 'negative' | 'full' | undefined;
}

export interface CloudMessages {
  /** Resolves when it is on disk. 404 DeviceNotFound; 403 when 50 wait; 413 over 64 KB; 400. */
  enqueue(deviceId: string, message: CloudMessage): Promise<void>;
  /** Takes away what waits, with feedback `Purged`; the number of messages. */
  purge(deviceId: string): Promise<number>;
}

/** Messages to modules; for whoever routes telemetry. */
export interface ModuleInputs {
  /**
   * Resolves with whether the module acknowledged it (with QoS 0: whether it was sent); false at once when it is not connected or does not listen. Nothing is kept here: who routes keeps
   * the message until this says true. `sender` is where it came from.
   */
  send(module: IdentityName & { readonly moduleId: string }, input: string, message: CloudMessage, sender: IdentityName): Promise<boolean>;
}

/** What became of a message whose sender asked; as in a feedback message of the service. */
export interface FeedbackRecord {
  readonly id: number;
  readonly originalMessageId: string;
  readonly deviceId: string;
  readonly deviceGenerationId: string;
  readonly enqueuedTimeUtc: string;
  readonly statusCode: 'Success' | 'Expired' | 'DeliveryCountExceeded' | 'Rejected' | 'Purged';
  readonly description: string;
}

/** On disk until a reader settles it, an hour at most. */
export interface Feedback {
  /** The oldest that wait, after the one with this id; does not take them away. */
  waiting(max: number, afterId?: number): readonly FeedbackRecord[];
  /** Takes them away, for good. */
  settle(ids: readonly number[]): Promise<void>;
  /** Something is waiting. */
  onWaiting(listener: () => void): Disposable;
}

/** One telemetry message as the events endpoint shows it. */
export interface EventMessage {
  /** Rises within a partition; not always by one. */
  readonly sequenceNumber: number;
  /** Of the message in its partition; text. */
  readonly offset: string;
  readonly enqueuedMs: number;
  readonly body: Uint8Array;
  /** System properties by their names in AMQP (`message-id`, `content-type`, …). */
  readonly system: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, string>>;
  /** `iothub-connection-device-id`, `iothub-connection-auth-method`, …; without the `x-opt-` ones. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface EventPartition {
  readonly id: string;
  readonly empty: boolean;
  /** Of the first and last message that are kept; 0 and -1 when it is empty. */
  readonly firstSequenceNumber: number;
  readonly lastSequenceNumber: number;
  readonly lastOffset: string;
  readonly lastEnqueuedMs: number;
}

/** Where a reader begins: the first message that is kept, behind the last one, or after (at) a place. */
export type EventPosition =
  | 'earliest'
  | 'latest'
  | { readonly afterSequenceNumber: number; readonly inclusive?: boolean }
  | { readonly enqueuedAfterMs: number };

/** Telemetry in partitions; all messages of one device are in one partition, in their order. */
export interface Events {
  readonly partitionIds: readonly string[];
  /** Undefined: there is no such partition. */
  partition(id: string): EventPartition | undefined;
  /** The sequence number after which this reader begins. */
  locate(partition: string, position: EventPosition): number;
  /** Messages after this sequence number that are there now, in order; at most `max` (default 100). */
  read(partition: string, afterSequenceNumber: number, max?: number): readonly EventMessage[];
  /** New messages are on disk; in which partition is not said. */
  onStored(listener: () => void): Disposable;
}

/** As the service names them; a policy has one or more. */
export type Right = 'registryRead' | 'registryWrite' | 'serviceConnect' | 'deviceConnect';

export interface SharedAccessPolicy {
  readonly name: string;
  readonly rights: readonly Right[];
  /** Base64. */
  readonly primaryKey: string;
  readonly secondaryKey: string;
}

export interface PolicyLookup {
  get(name: string): SharedAccessPolicy | undefined;
}
