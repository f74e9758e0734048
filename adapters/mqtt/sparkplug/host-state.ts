import type { Link } from '../link.ts';
import { namespace } from './topic.ts';

/**
 * Says that this host application is there (Sparkplug 3.0 §5.4.1): retained, QoS 1, and taken back by the will. Both carry the time of the
 * connect, so that nodes can tell the will of an older connection.
 */
export class HostState {
  readonly topic: string;
  readonly #timestamp: number;

  constructor(hostId: string, nowMs: number) {
    this.topic = `${namespace}/STATE/${hostId}`;
    this.#timestamp = nowMs;
  }

  get will(): { readonly topic: string; readonly payload: string } {
    return { topic: this.topic, payload: this.#text(false) };
  }

  announce(link: Link): Promise<void> {
    return link.publish(this.topic, this.#text(true), { qos: 1, retain: true });
  }

  /** A clean DISCONNECT discards the will, so it is said before. */
  async withdraw(link: Link): Promise<void> {
    const enough = new Promise<void>((resolve) => setTimeout(resolve, 500).unref());
    await Promise.race([link.publish(this.topic, this.#text(false), { qos: 1, retain: true }), enough]);
  }

  #text(online: boolean): string {
    return JSON.stringify({ online, timestamp: this.#timestamp });
  }
}
