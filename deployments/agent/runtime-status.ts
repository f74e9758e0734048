import type { DesiredStatus, RuntimeStatus } from '../contract.ts';
import type { Container } from '../engine/contract.ts';
import type { Trouble } from './supervision.ts';

/** What a container as it is now means for its module. */
export function runtimeStatus(wanted: DesiredStatus, container: Container | undefined): RuntimeStatus {
  if (!container) return wanted === 'stopped' ? 'stopped' : 'failed';
  switch (container.state) {
    case 'running':
    case 'restarting':
      return container.health === 'unhealthy' ? 'unhealthy' : 'running';
    case 'exited':
      // One that was told to stop may say so with any code.
      return container.exitCode === 0 || wanted === 'stopped' ? 'stopped' : 'failed';
    case 'created':
      return wanted === 'stopped' ? 'stopped' : 'failed';
    case 'paused':
      return 'stopped';
    case 'removing':
    case 'dead':
      return 'dead';
  }
}

/** Why a container that should run is in need of a restart; undefined when it is not. */
export function troubleOf(container: Container | undefined): Trouble | undefined {
  if (!container) return 'failure';
  const { state, health, exitCode } = container;
  if (state === 'running' || state === 'restarting') return health === 'unhealthy' ? 'unhealthy' : undefined;
  // Somebody paused it and knows why.
  if (state === 'paused') return undefined;
  return state === 'exited' && exitCode === 0 ? 'success' : 'failure';
}

/** How long it ran when it ended, or until now. Milliseconds. */
export function ranMs({ startedAt, finishedAt, state }: Container, nowMs: number): number {
  const started = Date.parse(startedAt ?? '');
  const until = state === 'running' ? nowMs : Date.parse(finishedAt ?? '');
  return Number.isFinite(until - started) ? Math.max(until - started, 0) : 0;
}

/** For people. */
export function describe(container: Container | undefined): string {
  if (!container) return 'it has no container';
  const { state, health, exitCode, error } = container;
  if (state === 'exited' || state === 'dead')
    return `ended with exit code ${exitCode}${error === undefined || error === '' ? '' : `: ${error}`}`;
  return health === undefined ? state : `${state}, ${health}`;
}
