import { z } from 'zod';
import { duration as between } from './keys.ts';

/** For connection blocks: a written duration, `500ms`, as milliseconds within limits. */
export const duration = (minMs: number, maxMs: number) => between({ min: minMs, max: maxMs });

/** Where a secret is; it never stands in a mapping itself. */
export const secretReference = z
  .union([z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().min(1) })])
  .meta({ expects: '{ file: … } or { env: … }' })
  .describe('Where the secret is: { file: … } or { env: … }; never the secret itself');
