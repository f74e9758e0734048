import { GatewayError } from '../../../model/error.ts';
import type { MethodCall, MethodResult } from '../../contract.ts';
import { parseJson } from '../answer.ts';

export type MethodHandler = (call: MethodCall) => Promise<MethodResult>;

/** What goes on the wire. */
export interface MethodAnswer {
  readonly status: number;
  readonly body: string;
}

/** IoT Hub: request and answer may have 128 KiB each. */
const maxAnswerBytes = 128 * 1024;

export function methodCall(name: string, requestId: string, body: Uint8Array): MethodCall {
  const raw = Buffer.from(body).toString('utf8');
  return { name, payload: parseJson(raw), raw, requestId };
}

/** Never rejects: whatever goes wrong is an answer, for a caller that gets none waits until its time is over. */
export async function answerTo(call: MethodCall, handler: MethodHandler): Promise<MethodAnswer> {
  try {
    return written(call, await handler(call));
  } catch (error) {
    const code = error instanceof GatewayError ? error.code : undefined;
    return answer(500, { message: error instanceof Error ? error.message : String(error), ...(code !== undefined && { code }) });
  }
}

/** An answer that this client gives by itself. */
export const answer = (status: number, payload: unknown): MethodAnswer => ({ status, body: JSON.stringify(payload) });

function written(call: MethodCall, { status, payload }: MethodResult): MethodAnswer {
  if (!Number.isInteger(status)) return answer(500, { message: `The method ${call.name} gave no status.` });
  const body = JSON.stringify(payload ?? null);
  const bytes = Buffer.byteLength(body);
  if (bytes <= maxAnswerBytes) return { status, body };
  return answer(500, { message: `The answer to ${call.name} has ${bytes} bytes; IoT Hub takes ${maxAnswerBytes}.`, status });
}
