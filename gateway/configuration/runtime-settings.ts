import { z } from 'zod';
import { formatDuration } from '../../mappings/duration.ts';
import { duration } from '../../mappings/keys.ts';
import { logLevels } from '../log.ts';

const batchFor = duration({ max: 60_000 });

/** What of `dragoman.yaml` can change while the gateway runs. Kept as written; what is absent is as the file says. */
export const RuntimeSettings = z.strictObject({
  log: z.strictObject({ level: z.enum(logLevels).describe('debug for a day, not for a year') }).optional(),
  batchFor: batchFor
    .transform((ms) => formatDuration(ms))
    .optional()
    .describe('Longest time that readings wait to be sent together, 0ms to 1m'),
});
export type RuntimeSettings = z.infer<typeof RuntimeSettings>;

export function batchForMs(settings: RuntimeSettings): number | undefined {
  return settings.batchFor === undefined ? undefined : batchFor.parse(settings.batchFor);
}
