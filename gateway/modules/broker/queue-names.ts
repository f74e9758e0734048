import type { Endpoint, RoutedMessage } from '../../../deployments/contract.ts';

const upstream = '$upstream';

/** Of the messages of one module for `$upstream`: its connection with the hub may be down while those of others are not. */
export const upstreamQueue = (module: string): string => `${upstream}/${module}`;

/** `$upstream/filter` (from it), `modules/filter/inputs/in1` (to it): the name of the queue in which a message waits, and its key on disk. */
export function queueOf(endpoint: Endpoint, { system }: Pick<RoutedMessage, 'system'>): string {
  if (endpoint.kind === 'input') return `modules/${endpoint.module}/inputs/${endpoint.input}`;
  return system.connectionModuleId === undefined ? upstream : upstreamQueue(system.connectionModuleId);
}

/** Where a queue leads. Undefined: not a name that {@link queueOf} makes. */
export function endpointOf(queue: string): Endpoint | undefined {
  if (queue === upstream || queue.startsWith(upstreamQueue(''))) return { kind: 'upstream' };
  const [, module, input] = /^modules\/([^/]+)\/inputs\/(.+)$/s.exec(queue) ?? [];
  return module !== undefined && input !== undefined ? { kind: 'input', module, input } : undefined;
}

/** Whose messages wait there, or who waits for them: whose absence makes them wait. */
export function moduleOf(queue: string): string | undefined {
  const endpoint = endpointOf(queue);
  if (endpoint?.kind === 'input') return endpoint.module;
  return queue.startsWith(upstreamQueue('')) ? queue.slice(upstreamQueue('').length) : undefined;
}
