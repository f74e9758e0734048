import { datatypes, encodePayload } from '../../../encodings/sparkplug/payload.ts';
import { namespace } from './topic.ts';

/** A node that answers no request is asked less and less often. */
const firstMs = 10_000;
const longestMs = 300_000;

interface Asked {
  readonly atMono: number;
  readonly waitMs: number;
}

/**
 * How often nodes are asked for a new birth, over all machines of this process: several may watch one node, and each sees the same gap.
 * A birth is all that a node has to say; asking in a loop would drown the network.
 */
export class RebirthLimit {
  readonly #asked = new Map<string, Asked>();
  readonly #clock: () => number;

  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** Whether this node, at this broker, may be asked now; counts as asked when it may. */
  mayAsk(broker: string, group: string, node: string): boolean {
    const key = `${broker} ${group}/${node}`;
    const now = this.#clock();
    const last = this.#asked.get(key);
    if (last && now - last.atMono < last.waitMs) return false;
    if (this.#asked.size > 10_000) this.#asked.clear();
    this.#asked.set(key, { atMono: now, waitMs: last ? Math.min(last.waitMs * 2, longestMs) : firstMs });
    return true;
  }

  /** It was born: the next request waits no longer than the first. */
  born(broker: string, group: string, node: string): void {
    const key = `${broker} ${group}/${node}`;
    const last = this.#asked.get(key);
    if (last) this.#asked.set(key, { ...last, waitMs: firstMs });
  }
}

export const rebirths = new RebirthLimit();

export const commandTopic = (group: string, node: string): string => `${namespace}/${group}/NCMD/${node}`;

/** NCMD with `Node Control/Rebirth` = true (Sparkplug 3.0 §6.4.19). */
export function rebirthRequest(nowMs: number): Uint8Array {
  const timestamp = BigInt(nowMs);
  return encodePayload({ timestamp, metrics: [{ name: 'Node Control/Rebirth', timestamp, datatype: datatypes.Boolean, value: true }] });
}
