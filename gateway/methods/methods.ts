import type { z } from 'zod';
import type { Log } from '../../adapters/contract.ts';
import type { MethodResult } from '../../hub-client/contract.ts';
import { GatewayError } from '../../model/error.ts';

/** Who calls, for the audit. */
export interface Caller {
  /** As far as we can know: `hub`, or the user of the local command. */
  readonly who: string;
  readonly from: 'hub' | 'local';
  /** Names this call among those under way: the hub's request id. Hubs use it again. */
  readonly requestId: string;
  /** Of a message that may come twice (cloud-to-device): the same for both. */
  readonly messageId?: string;
}

/** Something a person in an office, or a command on this machine, may ask of the gateway. */
export interface Method<Input = unknown> {
  readonly name: string;
  /** A sentence, for `dragoman call --help` and the docs. */
  readonly summary: string;
  /** What the payload must be; `null` and nothing stand for `{}`. */
  readonly input: z.ZodType<Input>;
  /** What is given back becomes the payload. Throws a MethodRefusal to say no; anything else that is thrown is a failure. */
  handle(input: Input, caller: Caller): Promise<unknown>;
}

/** The answer is no, or not possible: status and text for the caller. */
export class MethodRefusal extends GatewayError {
  readonly status: number;
  readonly details: unknown;

  constructor(status: 400 | 404 | 409 | 503, code: string, message: string, options: { hint?: string; details?: unknown } = {}) {
    super(code, message, { retry: 'after-fix', ...(options.hint !== undefined && { hint: options.hint }) });
    this.status = status;
    this.details = options.details;
  }
}

/** All methods by name; every call gets an answer, whatever happens inside. */
export class Methods {
  readonly #methods = new Map<string, Method>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  add<Input>(method: Method<Input>): void {
    this.#methods.set(method.name, method as Method);
  }

  list(): readonly { readonly name: string; readonly summary: string }[] {
    return [...this.#methods.values()].map(({ name, summary }) => ({ name, summary })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async call(name: string, payload: unknown, caller: Caller): Promise<MethodResult> {
    const method = this.#methods.get(name);
    if (!method) {
      return refusal(
        404,
        'method-unknown',
        `there is no method ${name.slice(0, 100)}`,
        `known: ${[...this.#methods.keys()].toSorted().join(', ')}`,
      );
    }
    const parsed = method.input.safeParse(payload ?? {});
    if (!parsed.success) {
      const problems = parsed.error.issues
        .slice(0, 10)
        .map(({ path, message }) => `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`);
      return refusal(400, 'method-input', `${name}: ${problems.join('; ')}`);
    }
    try {
      const result = await method.handle(parsed.data, caller);
      return { status: 200, payload: result ?? {} };
    } catch (error) {
      if (error instanceof MethodRefusal) return refusal(error.status, error.code, error.message, error.hint, error.details);
      if (error instanceof GatewayError) return refusal(500, error.code, error.message, error.hint);
      this.#log.error({ method: name, err: error }, 'a method failed by a defect');
      return refusal(500, 'method-failed', `${name} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function refusal(status: number, error: string, message: string, hint?: string, details?: unknown): MethodResult {
  return { status, payload: { error, message, ...(hint !== undefined && { hint }), ...(details !== undefined && { details }) } };
}
