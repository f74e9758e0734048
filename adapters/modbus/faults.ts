import type { SampleState } from '../../model/sample.ts';
import { type StatusName, statuses } from '../../model/status.ts';

/** Why a request brought no values. */
export type Fault =
  | { readonly kind: 'exception'; readonly code: number; readonly state: SampleState }
  | { readonly kind: 'timeout' | 'malformed' | 'parked'; readonly state: SampleState };

/** What an exception code means for the points that were asked for, and what the poller does about it. */
interface ExceptionMeaning {
  readonly name: string;
  readonly status: StatusName;
  /**
   * `split`: a part of the request may be at fault, look for it. `suspect`: the same, but the machine may as well be ill as a whole.
   * `function`: nothing of this table can be read. `busy`: ask again soon. `path`: the machine behind the gateway is away.
   */
  readonly means: 'split' | 'suspect' | 'function' | 'busy' | 'path';
}

/** MODBUS Application Protocol V1.1b3 §7. */
const exceptions: Readonly<Record<number, ExceptionMeaning>> = {
  1: { name: 'illegal function', status: 'BadNotSupported', means: 'function' },
  2: { name: 'illegal data address', status: 'BadNodeIdUnknown', means: 'split' },
  3: { name: 'illegal data value', status: 'BadOutOfRange', means: 'split' },
  4: { name: 'device failure', status: 'BadDeviceFailure', means: 'suspect' },
  5: { name: 'acknowledge, still working', status: 'BadOutOfService', means: 'busy' },
  6: { name: 'device busy', status: 'BadOutOfService', means: 'busy' },
  7: { name: 'negative acknowledge', status: 'BadDeviceFailure', means: 'suspect' },
  8: { name: 'memory parity error', status: 'BadDeviceFailure', means: 'suspect' },
  10: { name: 'gateway path unavailable', status: 'BadConfigurationError', means: 'path' },
  11: { name: 'gateway target does not respond', status: 'BadNoCommunication', means: 'path' },
};
const unlisted: ExceptionMeaning = { name: 'not in the standard', status: 'BadDeviceFailure', means: 'suspect' };

export function exceptionMeaning(code: number): ExceptionMeaning {
  return exceptions[code] ?? unlisted;
}

export function exceptionState(code: number, who: string, what: string): SampleState {
  const { name, status } = exceptionMeaning(code);
  return { status: statuses[status], reason: `${who} answers exception ${code} (${name}) for ${what}` };
}
