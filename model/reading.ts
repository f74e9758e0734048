import type { Quality } from './quality.ts';
import type { Value, ValueType } from './value.ts';

/** One observation of one point, for people and consumers. A failed read is a reading of bad quality, not an exception. */
export interface Reading {
  readonly point: string;
  /** Absent when nothing usable was received. */
  readonly value?: Value;
  /** Given where JSON alone does not tell: int64, uint64, decimal, bytes, datetime. */
  readonly type?: ValueType;
  readonly unit?: string;
  readonly quality: Quality;
  /** OPC UA StatusCode name, for every protocol. */
  readonly status: string;
  /** The numeric code, only where it says more than the name (info bits, a vendor's code). */
  readonly statusCode?: number;
  readonly reason?: string;
  /** Epoch milliseconds at the machine; at arrival when the protocol carries no time. */
  readonly sourceTimeMs: number;
  /** 100 ns units beyond the millisecond. */
  readonly sourceTicks?: number;
  /** Epoch milliseconds at the gateway. */
  readonly receivedMs: number;
  /** Source time of the last good reading; given with a bad one. */
  readonly lastGoodMs?: number;
}
