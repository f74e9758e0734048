import { datatypes, type Metric, type PropertySet } from '../../../encodings/sparkplug/payload.ts';
import type { Quality } from '../../../model/quality.ts';

/** Sparkplug 3.0 §6.4.13.2 knows three; a value that is uncertain is "stale", the one of them that is neither good nor bad. */
const qualityCodes = { good: 192, uncertain: 500, bad: 0 } as const;

/** What a reading of any origin tells of its quality. */
export interface Observed {
  readonly quality?: Quality | undefined;
  readonly status?: string | undefined;
  readonly reason?: string | undefined;
}

const text = (value: string): PropertySet[string] => ({ type: datatypes.String, value });

/** `Quality` where it is not good, with the OPC UA name and the reason; `engUnit` in births. Undefined where there is nothing to say. */
export function propertiesOf({ quality = 'good', status, reason }: Observed, unit?: string): PropertySet | undefined {
  const isGood = quality === 'good';
  if (isGood && unit === undefined) return undefined;
  return {
    ...(unit === undefined ? {} : { engUnit: text(unit) }),
    ...(isGood ? {} : { Quality: { type: datatypes.Int32, value: qualityCodes[quality] } }),
    ...(isGood || status === undefined ? {} : { Status: text(status) }),
    ...(isGood || reason === undefined ? {} : { Reason: text(reason) }),
  };
}

/** A metric of the node itself, as in its birth. */
export function nodeMetric(name: string, datatype: number, value: Metric['value'], timestamp: bigint, alias?: bigint): Metric {
  return {
    name,
    ...(alias === undefined ? {} : { alias }),
    timestamp,
    datatype,
    ...(value === undefined ? { isNull: true } : { value }),
  };
}

const lostStatuses: ReadonlySet<string> = new Set(['BadNotConnected', 'BadNoCommunication', 'BadCommunicationError', 'BadTimeout']);

/** Whether a reading says that the machine cannot be reached, rather than that one value is bad. */
export const saysLost = ({ quality, status }: Observed): boolean => quality === 'bad' && status !== undefined && lostStatuses.has(status);
