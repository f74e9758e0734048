import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SampleState } from '../../model/sample.ts';
import { type StatusName, statuses } from '../../model/status.ts';
import type { Link, SubscribeOptions } from './link.ts';
import { covers, outermost } from './topic.ts';

export interface Outcome {
  /** Code for each filter that was refused, by its own text. */
  readonly refused: ReadonlyMap<string, number>;
  /** Filters that got less than the QoS that was asked for. */
  readonly lowered: readonly string[];
}

/**
 * What a session is subscribed to. The broker keeps subscriptions over reconnects and restarts, also those that the mapping no longer
 * has: `file` remembers them, so that they can be taken back.
 */
export class Subscriptions {
  readonly #link: Link;
  readonly #options: SubscribeOptions;
  readonly #file: string | undefined;
  #active: ReadonlySet<string> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(link: Link, options: SubscribeOptions, file: string | undefined) {
    this.#link = link;
    this.#options = options;
    this.#file = file;
  }

  /**
   * Subscribes to these and to nothing else; a filter within another is left to that one, as many brokers send a message once for each.
   * What the broker keeps comes again. One call after the other: a reload may come while the last one is under way.
   */
  set(filters: readonly string[]): Promise<Outcome> {
    const set = this.#turn.then(() => this.#set(filters));
    this.#turn = set.catch(() => {});
    return set;
  }

  async #set(filters: readonly string[]): Promise<Outcome> {
    const before = this.#active ?? new Set(await this.#remembered());
    const wanted = outermost(filters);
    await this.#remember([...new Set([...before, ...filters])]);
    const refused = new Map<string, number>();
    const granted = new Set<string>();
    const lowered: string[] = [];
    const ask = async (some: readonly string[]): Promise<void> => {
      if (some.length === 0) return;
      const codes = await this.#link.subscribe(some, this.#options);
      some.forEach((filter, i) => {
        const code = codes[i] ?? 0x80;
        if (code >= 0x80) refused.set(filter, code);
        else granted.add(filter);
        if (code < this.#options.qos) lowered.push(filter);
      });
    };
    await ask(wanted);
    // A wide filter that is refused must not take the narrow ones with it.
    const orphans = [...new Set(filters)].filter((each) => !refused.has(each) && ![...granted].some((wide) => covers(wide, each)));
    await ask(orphans);
    const gone = [...before].filter((filter) => !granted.has(filter));
    if (gone.length > 0) await this.#link.unsubscribe(gone);
    this.#active = granted;
    await this.#remember([...granted]);
    return { refused, lowered };
  }

  async #remembered(): Promise<readonly string[]> {
    if (this.#file === undefined) return [];
    try {
      const known: unknown = JSON.parse(await readFile(this.#file, 'utf8'));
      return Array.isArray(known) ? known.filter((each) => typeof each === 'string') : [];
    } catch {
      // There is none yet, or it is damaged: the worst is a message that nobody wants.
      return [];
    }
  }

  async #remember(filters: readonly string[]): Promise<void> {
    if (this.#file === undefined) return;
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      await writeFile(this.#file, JSON.stringify(filters));
    } catch {
      // A disk that cannot be written to is said elsewhere; here it costs messages that nobody wants.
    }
  }
}

/** SUBACK reason codes (MQTT 5 §3.9.3); 3.1.1 knows only 0x80. */
const reasons: Readonly<Record<number, readonly [StatusName, string]>> = {
  128: ['BadUserAccessDenied', 'it gives no reason; most likely the user may not read it'],
  131: ['BadNotSupported', 'a reason of its own'],
  135: ['BadUserAccessDenied', 'not authorized'],
  143: ['BadConfigurationError', 'it does not take this topic filter'],
  151: ['BadOutOfService', 'its quota is used up'],
  158: ['BadNotSupported', 'it knows no shared subscriptions'],
  162: ['BadNotSupported', 'it knows no wildcards'],
};

export function refusedState(filter: string, code: number): SampleState {
  const [status, reason] = reasons[code] ?? ['Bad', `reason 0x${code.toString(16).toUpperCase()}`];
  return { status: statuses[status], reason: `the broker refuses the subscription to ${filter}: ${reason}` };
}
