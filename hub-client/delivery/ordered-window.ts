import { GatewayError, type NotConnectedError } from '../../model/error.ts';

export interface WindowOptions {
  /** Most messages under way at once. */
  readonly count: number;
  /** Most bytes under way at once; a single larger message goes alone. */
  readonly bytes: number;
  /** Messages are under way and none is settled for so long: `overdue` is called. */
  readonly ackTimeoutMs: number;
  /** Called half-way to `overdue`: ask the other side whether it lives. */
  readonly probe?: () => void;
  /** Nothing was settled within `ackTimeoutMs` by `waiting` messages; usually the end of the link, told by `close`. */
  readonly overdue: (waiting: number) => void;
  /** Further condition for the next message (credit of a link); call `pump` when it may hold again. */
  readonly ready?: () => boolean;
}

/** Puts a body on the wire; `settle` without an error when the other side has taken it, with one when it refused this message alone. */
export type Put = (body: Uint8Array, settle: (error?: Error) => void) => void;

/** One `send`: waiting for its turn, or on the wire. */
interface Sending {
  readonly put: Put;
  /** Undefined while it is being made (compressed); what stands behind it waits, for the order. */
  body: Uint8Array | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Sends in the order of the calls, with a bounded number of messages and bytes under way. Knows no protocol.
 * A message is settled once; after `close` everything that was not settled is rejected, and so is every further `send`.
 */
export class OrderedWindow {
  readonly #options: WindowOptions;
  readonly #waiting: Sending[] = [];
  readonly #underWay = new Set<Sending>();
  #bytes = 0;
  #paused = false;
  #probed = false;
  #ackTimer: NodeJS.Timeout | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #end: NotConnectedError | undefined;

  constructor(options: WindowOptions) {
    this.#options = options;
  }

  /** Messages under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /**
   * Resolves when the other side has taken the message. Rejects with what `settle` or `close` was called with, with what `check`
   * threw, or with GatewayError `message-compression`, `never`, when the body could not be made.
   * `check` sees the body as it will leave, and throws when it can never be taken.
   */
  send(body: Uint8Array | Promise<Uint8Array>, put: Put, check?: (body: Uint8Array) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#end) throw this.#end;
      const sending: Sending = { put, body: undefined, resolve, reject };
      const ready = (made: Uint8Array): void => {
        if (this.#end) return;
        try {
          check?.(made);
        } catch (error) {
          this.#refuse(sending, error as Error);
          return;
        }
        sending.body = made;
        this.pump();
      };
      this.#waiting.push(sending);
      if (body instanceof Uint8Array) ready(body);
      else {
        body.then(ready, (cause: unknown) =>
          this.#refuse(sending, new GatewayError('message-compression', String(cause), { retry: 'never', cause })),
        );
      }
    });
  }

  /** Puts on the wire what has its turn. */
  pump(): void {
    const { count, bytes: maxBytes, ready } = this.#options;
    while (!this.#end && !this.#paused && this.#underWay.size < count) {
      const next = this.#waiting[0];
      if (!next?.body || ready?.() === false) return;
      const bytes = next.body.byteLength;
      if (this.#underWay.size > 0 && this.#bytes + bytes > maxBytes) return;
      this.#waiting.shift();
      if (this.#underWay.size === 0) this.#watchAcks();
      this.#underWay.add(next);
      this.#bytes += bytes;
      next.put(next.body, (error) => this.#settled(next, bytes, error));
    }
  }

  /** Nothing more goes on the wire until `resume`; what is under way may still be settled. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.pump();
  }

  /** Resolves when nothing is under way, after `withinMs`, or at the end. Pause first, or further messages follow. */
  async drained(withinMs?: number): Promise<void> {
    if (this.#underWay.size === 0) return;
    this.#drained ??= Promise.withResolvers();
    const drained = this.#drained;
    const enough = withinMs === undefined ? undefined : setTimeout(drained.resolve, withinMs);
    await drained.promise;
    clearTimeout(enough);
    this.#drained = undefined;
  }

  /** Rejects everything that is not settled, and every later `send`. The first call counts. */
  close(reason: NotConnectedError): void {
    if (this.#end) return;
    this.#end = reason;
    clearTimeout(this.#ackTimer);
    for (const sending of this.#underWay) sending.reject(reason);
    for (const sending of this.#waiting) sending.reject(reason);
    this.#underWay.clear();
    this.#waiting.length = 0;
    this.#drained?.resolve();
  }

  #settled(sending: Sending, bytes: number, error: Error | undefined): void {
    if (!this.#underWay.delete(sending)) return;
    this.#bytes -= bytes;
    if (error) sending.reject(error);
    else sending.resolve();
    if (this.#underWay.size > 0) {
      this.#probed = false;
      this.#ackTimer?.refresh();
    } else {
      clearTimeout(this.#ackTimer);
      this.#drained?.resolve();
    }
    this.pump();
  }

  #refuse(sending: Sending, error: Error): void {
    const at = this.#waiting.indexOf(sending);
    if (at >= 0) this.#waiting.splice(at, 1);
    sending.reject(error);
    this.pump();
  }

  /** Every settled message restarts it. Half-way it probes, to tell a dead link from a slow hub. */
  #watchAcks(): void {
    clearTimeout(this.#ackTimer);
    this.#probed = false;
    this.#ackTimer = setTimeout(() => {
      if (this.#probed) this.#options.overdue(this.#underWay.size);
      else {
        this.#probed = true;
        this.#options.probe?.();
        this.#ackTimer?.refresh();
      }
    }, this.#options.ackTimeoutMs / 2);
  }
}
