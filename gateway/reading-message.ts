import type { Reading } from '../model/reading.ts';
import type { TelemetryReading } from '../model/telemetry.ts';
import { isoTime, isoTimeTicks } from './iso-time.ts';

/** A reading as it stands in the message, for answers to methods and for the status pages. */
export function messageReading(reading: Reading): TelemetryReading {
  const { value, type, unit, quality, status, statusCode, reason, lastGoodMs, sourceTimeMs, sourceTicks, receivedMs } = reading;
  return {
    point: reading.point,
    ...(value !== undefined && { value: exact(value) }),
    ...(type !== undefined && value !== undefined && { type }),
    ...(unit !== undefined && { unit }),
    ...(quality !== 'good' && { quality }),
    ...(status !== 'Good' && { status }),
    ...(statusCode !== undefined && { statusCode }),
    ...(reason !== undefined && { reason }),
    ...(lastGoodMs !== undefined && { lastGood: isoTime(lastGoodMs) }),
    time: sourceTicks ? isoTimeTicks(sourceTimeMs, sourceTicks) : isoTime(sourceTimeMs),
    ...(receivedMs !== sourceTimeMs && { received: isoTime(receivedMs) }),
  };
}

/** 64-bit integers as their digits. */
function exact(value: NonNullable<Reading['value']>): Exclude<NonNullable<Reading['value']>, bigint> {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'object' ? value.map((one) => (typeof one === 'bigint' ? String(one) : one)) : value;
}
