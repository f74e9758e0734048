import type { ConnectContext } from '../adapters/contract.ts';

/** One kind of hub. Like an adapter: the definition is light, the library loads with `load`. */
export interface HubClientKind<Settings = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly settings: import('zod').ZodType<Settings>;
  load(): Promise<HubClientRuntime<Settings>>;
}

export interface HubClientRuntime<Settings = unknown> {
  /** Rejects with NotConnectedError (transient) or GatewayError `after-fix` (credentials refused, CA unknown, clock wrong). */
  connect(settings: Settings, context: HubContext, signal: AbortSignal): Promise<HubSession>;
}

export interface HubContext extends Pick<ConnectContext, 'log' | 'secret' | 'stateFolder'> {
  /** Id of the gateway; the default device id. */
  readonly gateway: string;
}

/** One life of one connection. Buffers nothing, never reconnects by itself; renewing a token is its own business. */
export interface HubSession extends AsyncDisposable {
  /** Largest body that `send` takes, in bytes. */
  readonly maxBodyBytes: number;
  /** What the settings ask for: `zstd` takes the outbox's blocks as they are stored; the session itself compresses what comes as `utf-8`. Absent: `none`. */
  readonly compression?: 'none' | 'gzip' | 'zstd';
  /** How many sends may be under way at once (the forwarder keeps to it). */
  readonly window: number;
  /**
   * Resolves when the hub has taken the message over (PUBACK). Rejects with NotConnectedError when the link went first
   * (outcome unknown: send again), or with a GatewayError `never` when the hub will never take this message.
   * Calls made in order are put on the wire in order.
   */
  send(message: HubMessage): Promise<void>;
  /** Resolves, with the reason, when the session is over: link lost, dropped by the hub, disposed. Never rejects. */
  readonly closed: Promise<Error | undefined>;
}

/** A body that is ready to leave: one CloudEvent (structured JSON) or a JSON array of them. */
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
}
