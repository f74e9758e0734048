/** What is known of a container's HEALTHCHECK. */
export interface HealthPlan {
  readonly everyMs: number;
  readonly timeoutMs: number;
  /** When the last check ended. Milliseconds since 1970. Undefined: there was none. */
  readonly checkedMs: number | undefined;
  readonly startedMs: number;
}

export interface PodmanHealthParts {
  /** Undefined: it has no HEALTHCHECK, does not run, or is gone. */
  readonly planOf: (id: string) => Promise<HealthPlan | undefined>;
  readonly check: (id: string) => Promise<void>;
}

/** A timer of systemd that is a little late is one nevertheless. */
const graceMs = 1_000;

/**
 * podman has its HEALTHCHECKs run by timers of systemd. Where there is no systemd nobody runs them, and says so: a container stays `starting` for
 * ever. Here they are run when they are overdue. What they tell is in the state of the container.
 */
export class PodmanHealth implements Disposable {
  readonly #parts: PodmanHealthParts;
  /** By container: what it waits for. */
  readonly #watched = new Map<string, NodeJS.Timeout | undefined>();
  #closed = false;

  constructor(parts: PodmanHealthParts) {
    this.#parts = parts;
  }

  /** Until it ends, or the engine does not answer any more. Again: once it was started again. */
  watch(id: string): void {
    if (this.#watched.has(id)) return;
    this.#watched.set(id, undefined);
    void this.#follow(id)
      // The engine is away, and so is whoever listens to it.
      .catch(() => {})
      .finally(() => this.#watched.delete(id));
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const timer of this.#watched.values()) clearTimeout(timer);
  }

  async #follow(id: string): Promise<void> {
    const { planOf, check } = this.#parts;
    let oursMs: number | undefined;
    for (let plan = await planOf(id); plan && !this.#closed; plan = await planOf(id)) {
      const restMs = dueMs(plan, oursMs) - Date.now();
      if (restMs > 0) {
        await this.#pause(id, restMs);
        continue;
      }
      await check(id);
      oursMs = (await planOf(id))?.checkedMs;
      // One that could not even be begun leaves no trace of when that was.
      await this.#pause(id, plan.everyMs);
    }
  }

  /** For ever when all is closed meanwhile. */
  #pause(id: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#closed) this.#watched.set(id, setTimeout(resolve, ms));
    });
  }
}

/** A timer makes its first check at the start. Of a check by somebody else (a timer, then) the next one may be under way. */
function dueMs({ everyMs, timeoutMs, checkedMs, startedMs }: HealthPlan, oursMs: number | undefined): number {
  if (checkedMs === undefined || checkedMs < startedMs) return startedMs + everyMs;
  return checkedMs === oursMs ? checkedMs + everyMs : checkedMs + everyMs + timeoutMs + graceMs;
}
