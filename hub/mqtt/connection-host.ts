import type { IConnectPacket } from 'mqtt-packet';
import type { HubError } from '../error.ts';
import type { Subscriptions } from '../sessions.ts';
import type { IncomingMessage } from '../telemetry/writer.ts';
import type { TwinAnswer } from '../twins.ts';
import type { ConnectDecision } from './connect.ts';
import type { MqttConnection } from './connection.ts';

/** What a connection asks of the hub around it. */
export interface ConnectionHost {
  decide(packet: IConnectPacket, connection: MqttConnection): ConnectDecision;
  /** The identity is accepted and about to be told so; another connection of the same identity ends now. */
  accepted(connection: MqttConnection): void;
  ended(connection: MqttConnection, end: ConnectionEnd): void;
  /** `stored` is called once, in the order of the calls. */
  store(message: IncomingMessage, stored: (error: HubError | undefined) => void): void;
  /** Time from TLS to CONNECT, milliseconds. */
  readonly connectWithinMs: number;
  readonly congested: boolean;
  onceDrained(call: () => void): void;
  loadSession(deviceId: string): Subscriptions | undefined;
  saveSession(deviceId: string, subscriptions: Subscriptions): void;
  dropSession(deviceId: string): void;
  readTwin(deviceId: string): TwinAnswer;
  patchReported(deviceId: string, payload: string, expected: string | undefined): TwinAnswer;
}

/** Why a connection ended; `bad` ones are worth a line in the log. */
export interface ConnectionEnd {
  readonly code: string;
  readonly reason: string;
  readonly bad: boolean;
}
