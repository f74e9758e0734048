import type { TwinObject } from '../../twin/section.ts';
import type { Manifest } from '../contract.ts';
import type { LogLine, OpenEngine } from '../engine/contract.ts';
import type { Guarded, ModulePolicy } from '../engine/policy.ts';
import type { Images } from '../images/contract.ts';

/** What a module's container has from this box: the workload socket, `IOTEDGE_…`. */
export interface ModuleHost {
  readonly env: Readonly<Record<string, string>>;
  /** Docker's `Binds`. */
  readonly binds: readonly string[];
  /** Docker's `ExtraHosts`, `name:address`: how the container finds this box. */
  readonly extraHosts?: readonly string[];
}

/** Who the modules are. Names are module ids. */
export interface ModuleIdentitySource {
  /** There when it resolves; everything that `environmentOf` needs too. */
  ensure(module: string): Promise<unknown>;
  /** Called after its container is gone, possibly more than once. */
  remove(module: string): Promise<unknown>;
}

/** Constant message, data as fields; pino fits. */
export interface AgentLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For the audit: what was done to what, at whose wish. */
export interface AgentAct {
  /** `deploy`, `create`, `replace`, `start`, `stop`, `remove`, `restart`, `roll back`, `restart by hand`. */
  readonly action: string;
  /** A module, or `deployment`. */
  readonly target: string;
  /** Who sent the deployment or called the method: `hub`, `command`, …; `gateway` for what the agent does by itself. */
  readonly from: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  readonly reason?: string;
}

/** Time, so that tests need not wait. */
export interface AgentClock {
  /** Epoch milliseconds; may jump when the box learns the time. */
  now(): number;
  /** Milliseconds that only grow, from anywhere. */
  elapsed(): number;
  /** Resolves early, without an error, when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** When a new container counts as good. Milliseconds. */
export interface HealthGate {
  /** Without a HEALTHCHECK: it has run this long. */
  readonly settleMs: number;
  /** With one: it was healthy within this time. */
  readonly healthyWithinMs: number;
}

export interface AgentOptions {
  /** Its own, for what it has to remember; made when it is not there (0700). It has registry passwords. */
  readonly folder: string;
  /** Of this gateway: containers of other gateways on the same engine are not touched. */
  readonly gateway: string;
  readonly engine: OpenEngine;
  readonly policy: ModulePolicy;
  readonly guarded?: Guarded;
  readonly images: Images;
  /** That modules are in unless their options say otherwise; made when it is not there. Default `azure-iot-edge`. */
  readonly network?: string;
  readonly environmentOf: (module: string) => Promise<ModuleHost>;
  readonly identities: ModuleIdentitySource;
  readonly log: AgentLog;
  readonly audit: (act: AgentAct) => void;
  /** A deployment is followed from now on: written down, and none of its modules begun. Its routes belong there before a module speaks. */
  readonly onFollowed?: (manifest: Manifest) => void;
  /** The deployment that is followed is carried out, wholly; also at a start with one that was. What is not in it is not needed any more. */
  readonly onSettled?: (manifest: Manifest) => void;
  /** Reported properties of `$edgeAgent`, whole, whenever they changed. Never called before `open` resolved. */
  readonly onReported: (reported: TwinObject) => void;
  readonly version: { readonly version: string; readonly build: string; readonly commit: string };
  readonly gate?: Partial<HealthGate>;
  readonly clock?: AgentClock;
  /** Device and hub, for log records in JSON and names of uploaded files. */
  readonly identity?: () => { readonly deviceId: string; readonly hub: string };
  /** What the gateway itself logs, as `edgeAgent` or `edgeHub`. */
  readonly ownLogs?: (name: 'edgeAgent' | 'edgeHub') => AsyncIterable<LogLine>;
  /** More files of a support bundle, by path in it; without secrets. */
  readonly bundleFiles?: () => Promise<ReadonlyMap<string, string | Uint8Array>>;
}

/** Who had the last word, and what the hub's was; on disk with the deployment. */
export interface DeploymentSource {
  /** Who sent the deployment that is followed; undefined: there is none. */
  readonly from: string | undefined;
  /** As `apply` and `refuse` were told last. */
  readonly hubSaid: string | undefined;
}

/** `lastDesiredStatus` of `$edgeAgent`: 200 as asked, 400 refused, 406 not taken up, 412 schema, 417 empty, 500 not (all) carried out. */
export interface DeploymentStatus {
  readonly code: 200 | 400 | 406 | 412 | 417 | 500;
  readonly description: string;
}
