/** What the primary host says of itself, from its retained STATE messages: `{ "online": true, "timestamp": 1732435200000 }`. */
export class PrimaryHost {
  online = false;
  #timestamp = Number.NEGATIVE_INFINITY;

  /**
   * Takes in one STATE message; true when it counts. One that is older than the last is the late will of an earlier session of the host
   * (Sparkplug 3.0 §5.5), one that is no such JSON says nothing; both are left out.
   */
  take(body: Uint8Array): boolean {
    const state = parse(body);
    if (!state || state.timestamp < this.#timestamp) return false;
    this.#timestamp = state.timestamp;
    this.online = state.online;
    return true;
  }
}

function parse(body: Uint8Array): { readonly online: boolean; readonly timestamp: number } | undefined {
  try {
    const { online, timestamp } = JSON.parse(Buffer.from(body).toString('utf8')) as {
      readonly online?: unknown;
      readonly timestamp?: unknown;
    };
    return typeof online === 'boolean' && typeof timestamp === 'number' ? { online, timestamp } : undefined;
  } catch {
    return undefined;
  }
}
