import { createHash } from 'node:crypto';
import { isTwinObject } from '../../twin/section.ts';
import type { ModuleSpec } from '../contract.ts';

/** On every container that we made. */
export const labelNames = {
  /** As of IoT Edge, for programs that look for its modules. */
  owner: 'net.azure-devices.edge.owner',
  /** Which gateway; two may share an engine. */
  gateway: 'dragoman.gateway',
  module: 'dragoman.module',
  /** {@link specHash}. */
  spec: 'dragoman.spec',
  /** The image as the manifest names it; the container is made from its id. */
  image: 'dragoman.image',
} as const;

export const edgeOwner = 'Microsoft.Azure.Devices.Edge.Agent';

/** What all containers of this gateway carry, for `Engine.containers` and `Engine.events`. */
export const ownLabels = (gateway: string): Readonly<Record<string, string>> => ({
  [labelNames.owner]: edgeOwner,
  [labelNames.gateway]: gateway,
});

/** Equal when a container need not be made anew: status and startupOrder are not in it. SHA-256, hex. */
export function specHash({ status: _, startupOrder: __, ...spec }: ModuleSpec): string {
  return createHash('sha256').update(canonical(spec)).digest('hex');
}

/** JSON with sorted keys: the order of keys says nothing. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isTwinObject(value)) return JSON.stringify(value) ?? 'null';
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return `{${keys
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
    .join(',')}}`;
}

/**
 * Under which name a module's container runs. Its own, where the engine takes that; otherwise what is left of it and a part of its hash,
 * so that two never meet.
 */
export function containerName(module: string): string {
  if (/^[A-Za-z0-9][\w.-]+$/.test(module)) return module;
  const hash = createHash('sha256').update(module).digest('hex').slice(0, 8);
  return `${module.replace(/[^\w.-]/g, '-').replace(/^[^A-Za-z0-9]+/, '')}-${hash}`.replace(/^-/, '');
}
