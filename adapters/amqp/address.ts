import { z } from 'zod';
import type { CompiledAddress, PointSource, Report } from '../../mappings/language.ts';
import type { PayloadAddress } from '../payload/address.ts';
import { compilePayloadPoint } from '../payload/compile.ts';
import { payloadPointKeys } from '../payload/keys.ts';
import type { AmqpSettings } from './settings.ts';

/** The adapter's own point keys: the link, and what every adapter with messages has. */
export const amqpPoint = z.strictObject({
  address: z
    .string()
    .min(1)
    .max(1_024)
    .optional()
    .describe('Queue or topic that the point comes from; left out: the address of the connection'),
  ...payloadPointKeys,
});

/** Plain data; two equal addresses are deeply equal. */
export interface AmqpAddress {
  /** Queue or topic, in the notation of the broker. */
  readonly address: string;
  readonly payload: PayloadAddress;
}

export function compileAmqpPoint(source: PointSource<AmqpSettings>, report: Report): CompiledAddress<AmqpAddress> | undefined {
  const compiled = compilePayloadPoint(source, report, { annotations: true });
  const address = (source.own.address as string | undefined) ?? source.settings.address;
  if (address === undefined) {
    report('address', {
      rule: 'amqp-address',
      message: `${source.name} has no address, and neither has the connection`,
      hint: 'Write address: /queue/name at the connection, or at the point',
    });
  }
  if (!compiled || address === undefined) return undefined;
  return { address: { address, payload: compiled.address }, rawType: compiled.rawType };
}
