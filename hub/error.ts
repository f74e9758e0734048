import { GatewayError } from '../model/error.ts';

/** Something the hub cannot do, said to the person who asked: what happened, where, what to do. */
export class HubError extends GatewayError {}

export function afterFix(code: string, message: string, hint: string, cause?: unknown): HubError {
  return new HubError(code, message, { retry: 'after-fix', hint, cause });
}
