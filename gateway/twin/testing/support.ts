import type { Log } from '../../../adapters/contract.ts';
import { TwinAgent, type TwinAgentSettings } from '../agent.ts';
import type { Applier, Outcome } from '../applier.ts';

export interface Line {
  readonly level: keyof Log;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A log that remembers. */
export function listLog(): Log & { readonly lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: keyof Log) => (fields: object, message: string) => void lines.push({ ...fields, level, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** As the gateway makes one, in a hurry. */
export function hastyAgent(folder: string, settings: Partial<TwinAgentSettings> = {}): TwinAgent {
  return new TwinAgent({ folder, log: listLog(), patchEveryMs: 5, saveEveryMs: 5, ...settings });
}

export interface Call {
  readonly value: unknown;
  readonly previous: unknown;
  readonly version: number;
}

/** An applier that remembers what it was given; `answer` decides what becomes of it. */
export function recorder(
  answer: (call: Call) => Outcome | Promise<Outcome> = () => ({ status: 'applied' }),
): Applier & { readonly calls: Call[] } {
  const calls: Call[] = [];
  const apply = async (value: unknown, previous: unknown, version: number): Promise<Outcome> => {
    const call = { value, previous, version };
    calls.push(call);
    return answer(call);
  };
  return Object.assign(apply, { calls });
}
