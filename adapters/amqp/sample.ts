import type { PlacedPoint, RawSample, SampleReport } from '../../mappings/language.ts';
import { type GivenMessage, givenMessage, payloadSample } from '../payload/sample.ts';
import type { AmqpAddress } from './address.ts';
import type { AmqpSettings } from './settings.ts';

const isGroup = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/**
 * Reads the `given` of a sample: one message, `{ body: …, "property:kind": … }`, which comes from the address of the connection, or one for each address,
 * `{ /queue/press-7: { body: … } }`. Decoded by the reader of the wire.
 */
export function amqpSample(
  given: Readonly<Record<string, unknown>>,
  points: readonly PlacedPoint<AmqpAddress>[],
  { address: usual }: AmqpSettings,
  report: SampleReport,
): ReadonlyMap<string, RawSample> {
  const addresses = new Set(points.map(({ address }) => address.address));
  const messages: GivenMessage<AmqpAddress>[] = [];
  const parts: Record<string, unknown> = {};
  for (const [entry, value] of Object.entries(given)) {
    if (!addresses.has(entry)) parts[entry] = value;
    else if (isGroup(value))
      messages.push({ ...givenMessage(value, (_part, finding) => report(entry, finding)), entry, reaches: from(entry) });
    else report(entry, { rule: 'payload-given', message: `${entry} gives no message`, hint: `Write ${entry}: { body: … }` });
  }
  // Where the connection names no address, or no point has it, there is nothing else that the message could be for.
  const reaches = usual !== undefined && addresses.has(usual) ? { reaches: from(usual) } : {};
  if (Object.keys(parts).length > 0) messages.push({ ...givenMessage(parts, report, [...addresses]), ...reaches });
  return payloadSample(messages, points, ({ payload }) => payload, report);
}

const from =
  (link: string) =>
  ({ address }: PlacedPoint<AmqpAddress>): boolean =>
    address.address === link;
