import type { z } from 'zod';
import type { ConnectContext } from '../adapters/contract.ts';
import type { Encoding, Grain, MessageSubject } from '../encodings/contract.ts';
import type { Plant } from '../model/plant.ts';
import type { HubEvent } from '../model/telemetry.ts';
import type { TwinObject } from '../twin/section.ts';

/** One kind of hub. Like an adapter: the definition is light, the library loads with `load`. */
export interface HubClientKind<Settings = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly settings: z.ZodType<Settings>;
  /** For the start lines and logs, without secrets: `Azure IoT Hub, plant.azure-devices.net`. */
  where?(settings: Settings): string;
  /** What no two destinations of one gateway can share; checked before anything connects. */
  claims?(settings: Settings, gateway: string): readonly Claim[];
  /** Why readings in this encoding cannot go there; undefined when they can. */
  refuses?(settings: Settings, encoding: Pick<Encoding, 'name' | 'binary'>): string | undefined;
  load(): Promise<HubClientRuntime<Settings>>;
}

/** Something that one destination has for itself: a client id at a broker, a folder. */
export interface Claim {
  /** Of the setting that says it. */
  readonly key: string;
  /** Equal when it is the same thing; for texts: `the client id "gw-1" at 10.0.0.5:1883`. */
  readonly what: string;
  readonly hint: string;
}

export interface HubClientRuntime<Settings = unknown> {
  /** Rejects with NotConnectedError (transient) or GatewayError `after-fix` (credentials refused, CA unknown, clock wrong). */
  connect(settings: Settings, context: HubContext, signal: AbortSignal): Promise<HubSession>;
}

export interface HubContext extends Pick<ConnectContext, 'log' | 'secret' | 'stateFolder'> {
  /** Id of the gateway; the default device id. */
  readonly gateway: string;
  /** CloudEvents source of its messages: `/candyco/leeds/gw-leeds-1`. */
  readonly source: string;
  /** Absolute path of a file or folder that the settings name; they are relative to the configuration file. */
  resolve(path: string): string;
  readonly plant: Plant;
}

/** One life of one connection. Buffers nothing, never reconnects by itself; renewing a token is its own business. */
export interface HubSession extends AsyncDisposable {
  /** Largest body that `send` takes, in bytes. */
  readonly maxBodyBytes: number;
  /** What the settings ask for: `zstd` takes the outbox's blocks as they are stored; the session itself compresses what comes as `utf-8`. Absent: `none`. */
  readonly compression?: 'none' | 'gzip' | 'zstd';
  /** How much one message holds; absent: `batch`. A client whose topics name the machine asks for `event`, one with a topic a tag for `reading`. */
  readonly grain?: Grain;
  /** How many sends may be under way at once (the forwarder keeps to it). */
  readonly window: number;
  /**
   * Resolves when the hub has taken the message over (PUBACK). Rejects with NotConnectedError when the link went first
   * (outcome unknown: send again), or with a GatewayError `never` when the hub will never take this message.
   * Calls made in order are put on the wire in order.
   */
  send(message: HubMessage): Promise<void>;
  /**
   * Instead of `send`, where the wire has a form and a state of its own (Sparkplug B): takes whole events, with the same promise.
   * A session that has this gets no `send`.
   */
  sendEvents?(events: readonly HubEvent[]): Promise<void>;
  /** Twin, methods and commands, where the hub has them (kinds that set `control`). */
  readonly control?: HubControl;
  /** Resolves, with the reason, when the session is over: link lost, dropped by the hub, disposed. Never rejects. */
  readonly closed: Promise<Error | undefined>;
}

/** A body that is ready to leave; by default one CloudEvent (structured JSON) or a JSON array of them. */
export interface HubMessage {
  /** Unique and stable: the same batch resent carries the same id. */
  readonly id: string;
  readonly body: Uint8Array;
  readonly contentType: string;
  /** `utf-8`, or `gzip` / `zstd` when the body is compressed. */
  readonly contentEncoding: string;
  /** Creation time of the oldest reading, epoch milliseconds. */
  readonly createdMs: number;
  /** Application properties; short, few. */
  readonly properties?: Readonly<Record<string, string>>;
  /** What it is about; absent for a batch of several machines. */
  readonly about?: MessageSubject;
  /** It may stay on its topic as the last value. */
  readonly retain?: boolean;
}

/** As `twin/` has it; here for those who know the hub by this contract alone. */
export type { TwinObject };

/** As the hub holds it. `$version` rises with each change of the section; `$metadata` is left out. */
export interface HubTwin {
  readonly desired: TwinObject & { readonly $version: number };
  readonly reported: TwinObject & { readonly $version: number };
}

/**
 * The way back, over the same connection. Handlers are set once, right after connect, before the first `twin()`; what arrives before that
 * waits. A handler that throws is answered for it (method: 500), never ends the session.
 */
export interface HubControl {
  /** The whole twin, now. Rejects with NotConnectedError when the link goes first or no answer comes in time. */
  twin(): Promise<HubTwin>;
  /**
   * Merge patch of reported properties (null removes). Resolves with the new `$version`. Rejects with NotConnectedError (unknown whether it was
   * taken: send again), or with a GatewayError `never` when the hub refuses this patch (too large, too deep).
   */
  report(patch: TwinObject): Promise<number>;
  /** Merge patches of desired properties, in the order of their `$version`; a version that was seen already is not given again. */
  onDesired(handler: (patch: TwinObject & { readonly $version: number }) => void): void;
  /** Direct methods. The result is sent when the promise resolves; within the time-out that the caller gave, if it says one. */
  onMethod(handler: (call: MethodCall) => Promise<MethodResult>): void;
  /** Cloud-to-device messages; taken from the hub's queue (acknowledged) when the promise resolves, kept there when it rejects. */
  onMessage(handler: (message: CloudMessage) => Promise<void>): void;
}

export interface MethodCall {
  readonly name: string;
  /** Parsed JSON; undefined when it was none, then `raw` has the text. */
  readonly payload: unknown;
  readonly raw: string;
  /** Of the hub; for logs and the audit. */
  readonly requestId: string;
}

export interface MethodResult {
  /** As HTTP: 200 done, 400 bad request, 404 no such method, 409 refused, 500 failed. */
  readonly status: number;
  readonly payload?: unknown;
}

export interface CloudMessage {
  readonly id: string | undefined;
  readonly body: Uint8Array;
  readonly properties: Readonly<Record<string, string>>;
}
