import type { Fault } from './faults.ts';
import type { Expected } from './framing/framing.ts';
import type { Table } from './types.ts';

/** One request on its way. The bus calls exactly one of `answered` and `failed`, once for each `submit`, unless it is cancelled or the link is lost. */
export interface BusRequest extends Expected {
  readonly table: Table;
  readonly start: number;
  readonly count: number;
  readonly timeoutMs: number;
  /** Interval class, and when this request became due (monotonic): the earlier deadline goes first. */
  readonly everyMs: number;
  dueMs: number;
  /** Set by the owner: not sent any more if it still waits. */
  cancelled: boolean;
  /** A write: the whole PDU. It goes before all reads of the wire and is sent once at most. */
  readonly pdu?: Uint8Array;
  /** It leaves now; from here on the machine may act on it. */
  sent?(): void;
  /** The data lie at bytes[offset..], valid only during the call. */
  answered(bytes: Uint8Array, offset: number): void;
  failed(fault: Fault): void;
}

export interface BusCounters {
  requests: number;
  timeouts: number;
  lateFrames: number;
  foreignFrames: number;
  malformedFrames: number;
  garbageBytes: number;
  exceptions: number;
}
