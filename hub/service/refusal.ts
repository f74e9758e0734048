import { randomUUID } from 'node:crypto';
import { RequestError } from '../core/request-error.ts';

/** What a request is answered with when the answer is no. */
export interface Refusal {
  readonly status: number;
  readonly body: { readonly Message: string; readonly ExceptionMessage: string };
}

/** Refusals whose message is JSON with a number inside, as the service has them for methods. */
const numbered = new Set(['DeviceNotOnline', 'GatewayTimeout']);

/**
 * `{"Message":"ErrorCode:DeviceNotFound;text","ExceptionMessage":"Tracking ID:…"}`, the only form that the SDKs read. They cut the text at its
 * first semicolon, so it has none.
 */
export function refusal(status: number, name: string, text: string): Refusal {
  return { status, body: { Message: `ErrorCode:${name};${text.replaceAll(';', ',')}`, ExceptionMessage: tracking(randomUUID()) } };
}

/** The answer for an error of the hub; undefined when it is none that may be told. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof RequestError)) return undefined;
  const { status, errorName, errorCode, message } = error;
  if (!numbered.has(errorName)) return refusal(status, errorName, message);
  const trackingId = randomUUID();
  const inner = { errorCode, trackingId, message, timestampUtc: new Date().toISOString() };
  return { status, body: { Message: JSON.stringify(inner), ExceptionMessage: tracking(trackingId) } };
}

const tracking = (id: string): string => `Tracking ID:${id.replaceAll('-', '')}-TimeStamp:${new Date().toISOString()}`;
