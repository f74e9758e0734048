/** What an identity may have subscribed to. */
export type Feature = 'methods' | 'desired' | 'messages' | 'inputs';

/** The living connection of an identity, as far as the hub sends something over it. */
export interface IdentityLink {
  readonly id: string;
  readonly generationId: string;
  /** The granted QoS; undefined: the identity does not listen for it. */
  listens(feature: Feature): 0 | 1 | undefined;
  /** QoS 0: sent, or lost with the link; `sent` is called once, with true when the operating system took it. */
  publish(topic: string, body: string | Uint8Array, sent?: (taken: boolean) => void): void;
  /** QoS 1: `settled` is called once, with true at the PUBACK, with false when the link ended first. */
  deliver(topic: string, body: Uint8Array, settled: (acknowledged: boolean) => void): void;
  /** Ends it, with a FIN. */
  end(reason: string): void;
}

/** Who is connected now: at most one link for each identity. */
export class Links {
  readonly #byId = new Map<string, IdentityLink>();
  readonly #listeners = new Set<(link: IdentityLink) => void>();
  readonly #watchers = new Set<(id: string) => void>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): IdentityLink | undefined {
    return this.#byId.get(id);
  }

  [Symbol.iterator](): Iterator<IdentityLink> {
    return this.#byId.values();
  }

  /** Gives the link that it replaces. */
  add(link: IdentityLink): IdentityLink | undefined {
    const older = this.#byId.get(link.id);
    this.#byId.set(link.id, link);
    this.#tell(link.id);
    return older;
  }

  /** False when another link had taken its place already. */
  remove(link: IdentityLink): boolean {
    if (this.#byId.get(link.id) !== link) return false;
    this.#byId.delete(link.id);
    this.#tell(link.id);
    return true;
  }

  /** After an identity came, came anew, or went. */
  onPresence(watcher: (id: string) => void): void {
    this.#watchers.add(watcher);
  }

  /** After a connect, and after each change of what an identity listens for. */
  onListening(listener: (link: IdentityLink) => void): void {
    this.#listeners.add(listener);
  }

  listening(link: IdentityLink): void {
    if (this.#byId.get(link.id) !== link) return;
    for (const listener of this.#listeners) listener(link);
  }

  #tell(id: string): void {
    for (const watcher of this.#watchers) watcher(id);
  }
}
