import type { ManifestProblem, ModuleSpec } from '../contract.ts';

export const permissions = [
  'privileged',
  'host-network',
  'host-pid',
  'host-ipc',
  'host-uts',
  'host-users',
  'other-containers',
  'unconfined',
  'engine-socket',
  'unknown-options',
] as const;
export type Permission = (typeof permissions)[number];

/** What createOptions may ask for. Without anything: what a container can do to itself. */
export interface ModulePolicy {
  readonly allow: readonly Permission[];
  /** Folders and files of this machine that may be mounted, with all below them; absolute. */
  readonly folders: readonly string[];
  /** Paths of devices; `*` for all. */
  readonly devices: readonly string[];
  /** Linux capabilities, `NET_ADMIN`; `ALL` for all. */
  readonly capabilities: readonly string[];
}

/** What the gateway itself keeps away from modules, beside the usual sockets of engines. */
export interface Guarded {
  /** The engine's socket. */
  readonly sockets: readonly string[];
  /** The gateway's own: its data, its keys. Never mounted, whatever the policy says. */
  readonly folders: readonly string[];
}

export function checkPolicy(_spec: ModuleSpec, _policy: ModulePolicy, _guarded?: Guarded): readonly ManifestProblem[] {
  return [];
}
