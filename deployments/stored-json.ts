import type { z } from 'zod';

/** What a file of our own says, held against its schema. Undefined for none and for one that is damaged; it is never quoted, secrets may be in it. */
export function storedJson<T>(schema: z.ZodType<T>, text: string | undefined): T | undefined {
  try {
    return schema.parse(JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}
