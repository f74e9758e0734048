import { isTwinObject, type TwinObject } from '../../../twin/section.ts';
import type { VersionedSection } from '../../../twin/versions.ts';
import type { Health } from './contract.ts';

export interface Sections {
  readonly desired: VersionedSection;
  readonly reported: VersionedSection;
}

/** Of a device that is to have a configuration. */
export interface Evidence {
  /** Twins of `$edgeAgent` and `$edgeHub`. */
  readonly agent: Sections;
  readonly hub: Sections;
  /** When it was written into its twins; undefined: not yet. */
  readonly appliedMs: number | undefined;
  /** Undefined: it is not connected now. */
  readonly connectedSinceMs: number | undefined;
  /** When it was last heard of. */
  readonly lastActivityMs: number | undefined;
}

export interface Finding {
  readonly health: Health;
  /** What is wrong with it. */
  readonly reason?: string;
}

/** An agent that has it and is not through, or was stopped on the way. */
const notYet = 406;
const broken = ['failed', 'unhealthy', 'backoff', 'dead'];

/** What a device made of it: it reported this very version with 200, the routes too, and every module that is to run does. */
export function healthOf(
  { agent, hub, appliedMs, connectedSinceMs, lastActivityMs = 0 }: Evidence,
  silenceMs: number,
  nowMs: number,
): Finding {
  if (appliedMs === undefined) return { health: 'pending' };
  const agentSaid = answerOf(agent);
  if (agentSaid === undefined) {
    if (connectedSinceMs === undefined && lastActivityMs < appliedMs) return { health: 'unreached' };
    const heardMs = Math.max(appliedMs, connectedSinceMs ?? lastActivityMs);
    if (nowMs - heardMs <= silenceMs) return { health: 'pending' };
    return { health: 'failed', reason: 'it was connected and has not said what became of it' };
  }
  if (agentSaid !== '') return { health: 'failed', reason: agentSaid };
  const hubSaid = answerOf(hub);
  if (hubSaid) return { health: 'failed', reason: `routes: ${hubSaid}` };
  const module = brokenModule(agent);
  return module === undefined ? { health: 'succeeded' } : { health: 'failed', reason: module };
}

/** Empty: taken. Undefined: it has not said anything about this version. */
function answerOf({ desired, reported }: Sections): string | undefined {
  const { lastDesiredVersion, lastDesiredStatus } = reported.properties;
  if (lastDesiredVersion !== desired.version) return undefined;
  const { code, description } = isTwinObject(lastDesiredStatus) ? lastDesiredStatus : {};
  if (code === 200) return '';
  if (code === notYet) return undefined;
  return `${code ?? 'no code'} ${typeof description === 'string' ? description : ''}`.trim();
}

function brokenModule({ desired, reported }: Sections): string | undefined {
  const wanted = objectAt(desired.properties, 'modules');
  const found = objectAt(reported.properties, 'modules');
  for (const [name, module] of Object.entries(found)) {
    if (!isTwinObject(module) || objectAt(wanted, name).status === 'stopped' || wanted[name] === undefined) continue;
    const { runtimeStatus, statusDescription } = module;
    if (!broken.includes(String(runtimeStatus))) continue;
    return `module ${name} is ${runtimeStatus}${typeof statusDescription === 'string' && statusDescription !== '' ? `: ${statusDescription}` : ''}`;
  }
  return undefined;
}

function objectAt(object: TwinObject, key: string): TwinObject {
  const found = object[key];
  return isTwinObject(found) ? found : {};
}
