/** Whether trying again can help: by itself, after a person changed something, or not at all. */
export type RetryAdvice = 'with-backoff' | 'after-fix' | 'never';

/** Callers branch on class or code, never on text. */
export class GatewayError extends Error {
  readonly code: string;
  readonly retry: RetryAdvice;
  /** What to do, for the person at the machine. */
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: { retry: RetryAdvice; hint?: string; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retry = options.retry;
    this.hint = options.hint;
  }
}

/** The machine or hub cannot be reached now; the loop that owns it waits and connects again. */
export class NotConnectedError extends GatewayError {}
