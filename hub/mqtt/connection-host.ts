import type { IConnectPacket } from 'mqtt-packet';
import type { HubError } from '../error.ts';
import type { IncomingMessage } from '../telemetry/writer.ts';
import type { MqttConnection } from './connection.ts';
import type { Casting, Role } from './role.ts';

export type Decision =
  | { readonly accepted: true; readonly cast: Casting }
  | { readonly accepted: false; readonly code: number; readonly reason: string };

/** Where telemetry goes. */
export interface TelemetrySink {
  /** Takes the body over. `stored` is called once, in the order of the calls: undefined when the message is on disk. */
  append(message: IncomingMessage, stored: (error: HubError | undefined) => void): void;
  /** While it is, connections stop reading. */
  readonly congested: boolean;
  /** Calls back once, when it is not congested any more. */
  onceDrained(call: () => void): void;
}

/** What a connection asks of the hub around it. */
export interface ConnectionHost {
  decide(packet: IConnectPacket, connection: MqttConnection): Decision;
  /** The client is accepted and about to be told so; another connection of the same identity ends now. */
  accepted(connection: MqttConnection, role: Role): void;
  ended(connection: MqttConnection, end: ConnectionEnd): void;
  /** `stored` is called once, in the order of the calls. */
  store(message: IncomingMessage, stored: (error: HubError | undefined) => void): void;
  /** Time from TLS to CONNECT, milliseconds. */
  readonly connectWithinMs: number;
  readonly congested: boolean;
  onceDrained(call: () => void): void;
}

/** Why a connection ended; `bad` ones are worth a line in the log. */
export interface ConnectionEnd {
  readonly code: string;
  readonly reason: string;
  readonly bad: boolean;
}
