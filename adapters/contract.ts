import type { AdapterLanguage } from '../mappings/language.ts';
import type { SampleBatch } from '../model/sample.ts';
import type { RawValue, ValueType } from '../model/value.ts';

/** One protocol. The definition loads nothing heavy; `load` brings in the protocol library. */
export interface Adapter<Settings = unknown, Address = unknown> extends AdapterLanguage<Settings, Address> {
  load(): Promise<AdapterRuntime<Settings, Address>>;
}

export interface AdapterRuntime<Settings = unknown, Address = unknown> {
  /**
   * Opens the way to one machine, or rejects with NotConnectedError (retry with back-off) or a GatewayError whose `retry`
   * is `after-fix` (wrong password, untrusted certificate). Machines that share a wire share it inside the adapter.
   */
  connect(settings: Settings, context: ConnectContext, signal: AbortSignal): Promise<Connection<Address>>;
}

export interface ConnectContext {
  /** Id of the equipment, for messages and logs. */
  readonly equipment: string;
  /** Where the adapter may keep state: certificates, learned limits. Survives restarts. */
  readonly stateFolder: string;
  readonly log: Log;
  /** Opens a secret that the settings refer to (`{ file }`, `{ env }`). */
  secret(reference: SecretReference): Promise<string>;
  /**
   * Only looks (`dragoman read`, `dragoman watch`), perhaps while the gateway runs: takes over nothing that belongs to it and takes nothing
   * away from it: no MQTT session of its name, no messages of a queue.
   */
  readonly onlyLooks?: true;
}

export type SecretReference = { readonly file: string } | { readonly env: string };

/** What adapters and hub clients may log with; pino fits. Constant message, data as fields. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ObservedPoint<Address = unknown> {
  readonly name: string;
  readonly address: Address;
  readonly rawType: ValueType | undefined;
  readonly everyMs: number;
  readonly staleAfterMs: number;
}

/**
 * Observes, reads, is disposed; never reconnects: when the link is gone, `observe` throws NotConnectedError.
 * Several `observe` calls may follow each other on one connection (a reload changes the points, not the wire).
 */
export interface Connection<Address = unknown> extends AsyncDisposable {
  /**
   * Yields samples until the signal aborts (then it returns) or the link is lost (then it throws).
   * Every point gets a first sample, good or bad with a reason. A device that stays silent on a living link
   * is bad samples, not an exception. Polling goes on while the consumer works; the adapter bounds what waits
   * (newest wins, the loss is counted).
   */
  observe(points: readonly ObservedPoint<Address>[], signal: AbortSignal): AsyncIterable<SampleBatch>;
  /** Reads each point once, now. One sample for each point, in any grouping of batches. */
  read(points: readonly ObservedPoint<Address>[], signal: AbortSignal): Promise<readonly SampleBatch[]>;
  /**
   * Writes one raw value to one point; absent: this adapter cannot write. One attempt, never repeated inside. Resolves `done` when the machine
   * confirmed, `refused` when it said no (with its reason), `unknown` when it may or may not have taken it (time-out or link lost
   * after sending). Rejects with NotConnectedError when nothing was sent. Goes before polls of the same wire.
   */
  write?(point: ObservedPoint<Address>, raw: RawValue, signal: AbortSignal): Promise<WriteResult>;
  /** Counters for health and bench; names are stable (`requests`, `latePolls`, `timeouts`, `bisections`, …). */
  counters(): Readonly<Record<string, number>>;
}

export interface WriteResult {
  readonly outcome: 'done' | 'refused' | 'unknown';
  /** For the person who asked: what the machine said, or what was waited for. */
  readonly reason?: string;
}
