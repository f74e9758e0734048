import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentClock } from './contract.ts';

export const realClock: AgentClock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  // A timer of the agent keeps no process alive.
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
};
