import type { Metric } from '../../../encodings/sparkplug/payload.ts';
import type { Quality } from '../../../model/quality.ts';

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
export function saysLost({ quality, status }: { readonly quality?: Quality; readonly status?: string }): boolean {
  return quality === 'bad' && status !== undefined && lostStatuses.has(status);
}
