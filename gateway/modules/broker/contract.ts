import type { ModuleIdentity, RoutedMessage, RouteTable } from '../../../deployments/contract.ts';
import type { MethodAnswer, MethodRequest } from '../../../hub/core/contract.ts';
import type { HubLog } from '../../../hub/log.ts';
import type { ListenerCertificate } from '../../../hub/mqtt/server.ts';
import type { TwinObject } from '../../../twin/section.ts';

/** What takes messages for `$upstream`. Several calls are under way at once; calls made in order are put on the wire in order. */
export interface UpstreamSender {
  /** Largest body that it takes, in bytes; what is larger becomes a dead letter. */
  readonly maxBodyBytes: number;
  /**
   * Resolves when the hub has the message. Rejects with a GatewayError `never` when the hub will never take it (a dead letter); after anything
   * else the message is sent again, with back-off, and those behind it wait: when one fails that way, none that was sent after it may succeed on
   * the same link. `id` is the same when a message is sent again, also after a restart.
   */
  send(message: RoutedMessage, id: string): Promise<void>;
}

/** What is known of the modules of this box. */
export interface IdentityLookup {
  /** Undefined: there is no such module, and nobody may come in as it. */
  get(moduleId: string): ModuleIdentity | undefined;
}

export interface BrokerOptions {
  /** Sessions, twins and queues; made when it is not there. One broker at a time. */
  readonly folder: string;
  readonly deviceId: string;
  /** Names of the hub that tokens and user names may be for: `plant.azure-devices.net`. */
  readonly hubHostNames: readonly string[];
  /** The name by which modules reach this box (`IOTEDGE_GATEWAYHOSTNAME`). */
  readonly hostName: string;
  readonly listen: BrokerListen;
  readonly certificate: ListenerCertificate;
  readonly identities: IdentityLookup;
  readonly upstream: UpstreamSender;
  readonly log: HubLog;
  /** Until the first `setRoutes`: nothing goes anywhere. */
  readonly routes?: RouteTable;
  /** Where messages go that their receiver refused for good. Default: `dead-letters` in the folder of the broker. */
  readonly deadLettersFolder?: string;
  /** All queues together, in bytes of bodies and properties. Default 1 GB. */
  readonly maxBytes?: number;
  /** A method that a module calls on the device itself. Absent: 404. */
  readonly onDeviceMethod?: (request: MethodRequest, caller: string, signal: AbortSignal) => Promise<MethodAnswer>;
  /**
   * A merge patch of what a module reported since the last one that resolved. Resolves when upstream has it; called again after it rejects: with
   * back-off, after a GatewayError `never` when the module reports something more. One call at a time for each module. Absent: what modules report stays here.
   */
  readonly onReported?: (moduleId: string, patch: TwinObject) => Promise<void>;
  /** What a module reports goes upstream so often at most, milliseconds. Default 1000. */
  readonly reportEveryMs?: number;
  /** Retries begin with this wait, milliseconds, and double up to a minute. Default 500. */
  readonly retryMs?: number;
}

export interface BrokerListen {
  /** Undefined: every interface. */
  readonly address?: string;
  /** Default 8883; 0 takes any free port. */
  readonly mqttPort?: number;
  /** For calls of methods between modules; the SDKs look at 443 only. Undefined: does not listen. */
  readonly httpsPort?: number;
}

export interface QueueCounters {
  /** `$upstream/filter` (what filter said to it), `modules/filter/inputs/in1`. */
  readonly endpoint: string;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly delivered: number;
  /** Ever, over restarts: taken away because their time to live was over. */
  readonly expired: number;
  /** Ever, over restarts: taken away because the endpoint will never take them; they are among the dead letters. */
  readonly refused: number;
  /** Ever, over restarts: taken away because their module is not in the deployment any more. */
  readonly removed: number;
}

/** Since the start; `waiting` and what was lost outlive restarts. */
export interface BrokerCounters {
  readonly connections: number;
  /** Connections let in, refused, and ended for breaking the protocol. */
  readonly accepted: number;
  readonly refused: number;
  readonly violations: number;
  /** Messages from modules, and injected ones that a route may want. */
  readonly received: number;
  /** Of those: no route wanted them, or there was no room and their sender keeps them. */
  readonly unrouted: number;
  readonly notStored: number;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly maxBytes: number;
  readonly queues: readonly QueueCounters[];
}

/** A module as the broker sees it; for `clients` of `$edgeHub`'s reported properties. */
export interface BrokerClient {
  readonly moduleId: string;
  readonly connected: boolean;
  /** When that last changed, epoch milliseconds. */
  readonly sinceMs: number | undefined;
}
