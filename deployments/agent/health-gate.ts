import { GatewayError } from '../../model/error.ts';
import type { ModuleSpec } from '../contract.ts';
import type { Container, Engine } from '../engine/contract.ts';
import type { AgentClock, HealthGate } from './contract.ts';
import { verdictOfEnd } from './supervision.ts';

export const defaultGate: HealthGate = { settleMs: 10_000, healthyWithinMs: 120_000 };

/** While a gate is open, and only then. */
const lookEveryMs = 500;

/**
 * Resolves when a container that was just started is good: healthy, where it has a HEALTHCHECK; else after it ran for `settleMs`, or ended
 * well where its policy does not want it started again (a job). Rejects with `module-unsettled` when it is not, with `agent-closing` on abort.
 */
export async function passGate(
  engine: Engine,
  id: string,
  spec: ModuleSpec,
  gate: HealthGate,
  clock: AgentClock,
  signal: AbortSignal,
): Promise<void> {
  const began = clock.elapsed();
  for (;;) {
    if (signal.aborted) throw closing(spec.name);
    const container = await engine.container(id);
    const elapsedMs = clock.elapsed() - began;
    const state = judged(container, spec, gate, elapsedMs);
    if (state === 'good') return;
    if (state !== 'wait') throw unsettled(spec, state);
    await clock.sleep(Math.min(lookEveryMs, gate.settleMs), signal);
  }
}

/** `good`, `wait`, or what is wrong. */
function judged(container: Container | undefined, spec: ModuleSpec, gate: HealthGate, elapsedMs: number): string {
  if (!container) return 'its container was removed by somebody else';
  const { state, health, exitCode, error } = container;
  const after = `after ${Math.round(elapsedMs / 100) / 10} s`;
  if (state === 'exited' || state === 'dead') {
    if (state === 'exited' && exitCode === 0 && verdictOfEnd(spec.restartPolicy, 'success') === 'leave') return 'good';
    return `it ended ${after} with exit code ${exitCode}${error === undefined || error === '' ? '' : ` (${error})`}`;
  }
  if (health === 'healthy') return 'good';
  if (health === 'unhealthy') return `its health check failed ${after}`;
  if (health === 'starting')
    return elapsedMs < gate.healthyWithinMs ? 'wait' : `its health check did not succeed within ${seconds(gate.healthyWithinMs)}`;
  if (state === 'running') return elapsedMs < gate.settleMs ? 'wait' : 'good';
  return elapsedMs < gate.settleMs ? 'wait' : `it is ${state}, not running, ${after}`;
}

const seconds = (ms: number): string => `${ms / 1000} s`;

function unsettled({ name, image }: ModuleSpec, what: string): GatewayError {
  return new GatewayError('module-unsettled', `${name}: ${image} did not come up: ${what}`, {
    retry: 'after-fix',
    hint: `its last lines are kept (dragoman modules logs, GetModuleLogs); correct the module and deploy again`,
  });
}

const closing = (module: string): GatewayError =>
  new GatewayError('agent-closing', `${module}: the gateway is being stopped; the change is made when it runs again`, {
    retry: 'with-backoff',
  });
