import { z } from 'zod';
import type { ManifestProblem, ModuleSpec } from '../contract.ts';
import { jsonPath } from '../manifest/findings.ts';
import { readOptions } from './options.ts';
import { type Finding, findingsIn } from './policy-rules.ts';

export const permissions = [
  'privileged',
  'host-network',
  'host-pid',
  'host-ipc',
  'host-uts',
  'host-users',
  'other-containers',
  'other-mounts',
  'unconfined',
  'engine-socket',
  'unknown-options',
] as const;
export type Permission = (typeof permissions)[number];

const absolute = z.string().regex(/^\//, 'an absolute path is expected');

/** What createOptions may ask for. Without anything: what a container can do to itself. */
export const ModulePolicy = z.strictObject({
  allow: z.array(z.enum(permissions)).default([]).describe('What modules may ask of the container engine beyond the usual'),
  folders: z.array(absolute).default([]).describe('Folders and files of this machine that modules may mount, with all below them'),
  devices: z
    .array(z.union([absolute, z.enum(['*', 'gpu'])]))
    .default([])
    .describe('Devices that modules may open: paths, gpu, * for all'),
  capabilities: z.array(z.string()).default([]).describe('Linux capabilities that modules may add: NET_ADMIN, …, ALL'),
});
export type ModulePolicy = z.infer<typeof ModulePolicy>;

/** What the gateway itself keeps away from modules. */
export interface Guarded {
  /** Of engines, beside the usual ones. */
  readonly sockets: readonly string[];
  /** The gateway's own: its data, its keys. Never mounted, whatever the policy says. */
  readonly folders: readonly string[];
}

const nothing: Guarded = { sockets: [], folders: [] };

/**
 * What the createOptions of a module ask for and may not have, all of it; each names its place and the setting that would allow it. An error forbids the
 * module; a warning says which key the engine does not get. Looks at links of this machine's file system as they are now.
 */
export function checkPolicy(spec: ModuleSpec, policy: ModulePolicy, guarded = nothing): readonly ManifestProblem[] {
  const { options, unknown, twice } = readOptions(spec.createOptions);
  const findings: Finding[] = [
    ...twice.map(
      (keys): Finding => ({ keys, message: 'the engine takes this key and another one for the same', hint: 'leave one of them out' }),
    ),
    ...findingsIn(options, policy, guarded),
  ];
  const errors = findings.map((finding) => problem(spec.name, 'error', 'module-policy', finding));
  if (policy.allow.includes('unknown-options')) return errors;
  return [...errors, ...unknown.map((keys) => problem(spec.name, 'warn', 'unknown-option', { keys, ...leftOut }))];
}

const leftOut = {
  message: 'is not known here and is kept from the engine',
  hint: 'if the engine knows it: modules.policy.allow: [unknown-options] in dragoman.yaml',
};

function problem(module: string, severity: 'error' | 'warn', rule: string, { keys, message, hint }: Finding): ManifestProblem {
  const place = ['modulesContent', '$edgeAgent', 'properties.desired', 'modules', module, 'settings', 'createOptions', ...keys];
  return { severity, rule, keys: place, path: jsonPath(place), message: `${jsonPath(keys)}: ${message}`, hint };
}
