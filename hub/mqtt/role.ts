import type { Subscriptions } from '../sessions.ts';
import type { PropertyBag } from './topics.ts';

/** A topic that carries telemetry: whose, and the properties in it. */
export interface TelemetryTopic {
  readonly deviceId: string;
  readonly properties: PropertyBag;
}

/** What a role may do with the connection that plays it. */
export interface Speaker {
  readonly subscriptions: ReadonlyMap<string, 0 | 1>;
  /** QoS 0. */
  publish(topic: string, body: string | Uint8Array, sent?: (taken: boolean) => void): void;
  /** QoS 1; `settled` is called once: true at the PUBACK, false when the connection ended first. */
  deliver(topic: string, body: string | Uint8Array, settled: (acknowledged: boolean) => void): void;
  close(end: { readonly code: string; readonly reason: string; readonly bad: boolean }): void;
}

/** What an identity subscribed to, from one connection to the next. */
export interface KeptSession {
  load(): Subscriptions | undefined;
  /** Resolves when it is on disk; calls resolve in their order. */
  save(subscriptions: Subscriptions): Promise<void>;
  drop(): void;
}

/** What an accepted client is: an identity of the hub, or a device that asks the provisioning service. */
export interface Role {
  /** For the log: `gw-1`, `gw-1/filter`. */
  readonly id: string;
  /** When its proof ends, epoch milliseconds. */
  readonly expiresMs: number | undefined;
  /** Undefined: nothing is remembered from one connection to the next. */
  readonly session: KeptSession | undefined;
  /** Undefined: telemetry may not be published there. */
  telemetry(topic: string): TelemetryTopic | undefined;
  /** Does with any other message what it is for; false: nothing may be published there. */
  take(topic: string, payload: Uint8Array): boolean;
  maySubscribe(filter: string): boolean;
  /** The CONNACK or SUBACK has gone out. */
  listening(): void;
  ended(): void;
}

/** Says what the accepted client is, once the connection that plays it is there. */
export type Casting = (speaker: Speaker) => Role;
