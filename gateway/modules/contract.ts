import type { Manifest, ManifestProblem, Plan } from '../../deployments/contract.ts';
import type { BrokerCounters } from './broker/contract.ts';

/** One module, for `dragoman modules` and `/status`. */
export interface ModuleRow {
  readonly name: string;
  readonly image: string;
  /** What it should be: `running`, `stopped`. */
  readonly desired: string;
  /** What it is: `running`, `backoff`, `failed`, `unhealthy`, `unknown`, … */
  readonly status: string;
  /** Why it is like that, and what happens next. */
  readonly description: string;
  readonly restarts: number;
  /** ISO 8601; undefined: it never ran. */
  readonly startedAt: string | undefined;
  /** It has a connection with the broker. */
  readonly connected: boolean;
}

export interface DeploymentState {
  /** `none`: no deployment came yet. */
  readonly state: 'none' | 'under way' | 'done' | 'failed';
  /** Who sent it: `hub`, `command`, `file`. */
  readonly from: string;
  /** Of the hub; 0 for one of this machine. */
  readonly version: number;
  /** As of edgeAgent: 200, 400, 406, 412, 417, 500. */
  readonly code: number;
  readonly description: string;
}

export interface ModulesState {
  /** What runs the containers: `docker 20.10.24`; or why nothing does. */
  readonly engine: string;
  readonly engineProblem?: string;
  readonly deployment: DeploymentState;
  readonly modules: readonly ModuleRow[];
  readonly broker: BrokerCounters;
}

/** What commands and methods may ask of the modules of this gateway. */
export interface ModuleControl {
  state(): ModulesState;
  /** What is sure to fail on this box, beside what `readManifest` finds: policy, images. */
  check(manifest: Manifest): Promise<readonly ManifestProblem[]>;
  plan(manifest: Manifest): Plan;
  /** Begins to carry it out; `state` says how it goes. */
  deploy(manifest: Manifest, by: { readonly who: string; readonly from: string }): void;
  /** A method of edgeAgent: RestartModule, GetModuleLogs, … */
  call(name: string, payload: unknown): Promise<{ readonly status: number; readonly payload: unknown }>;
}
