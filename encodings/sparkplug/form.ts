import { z } from 'zod';
import type { EncodingForm } from '../contract.ts';

const settings = z.strictObject({
  names: z
    .enum(['full', 'point'])
    .default('full')
    .describe(
      'Names of the metrics: full is EQUIPMENT/POINT; point is for topics that name the machine, and no message holds two machines',
    ),
  gaps: z.enum(['metric', 'omit']).default('metric').describe('The record of a loss is a data set in a metric named gap, or is left out'),
});
export type SparkplugSettings = z.output<typeof settings>;

export const sparkplugForm: EncodingForm<SparkplugSettings> = { name: 'sparkplug-b', settings, binary: true };
