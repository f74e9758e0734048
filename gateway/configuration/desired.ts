import { z } from 'zod';
import { RuntimeSettings } from './runtime-settings.ts';

/** One text; a mapping that a person wrote has a few KB. */
export const mostTextBytes = 1024 * 1024;
export const mostFetchedBytes = 10 * 1024 * 1024;
const mostFiles = 200;
const mostChunks = 512;

const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, 'the SHA-256 of the file: 64 hexadecimal digits, as sha256sum prints it')
  .transform((text) => text.toLowerCase());

/** `"0"`, `"1"`, … each a piece of at most 4 KB; null while the office clears them. */
const parts = z.record(z.string().regex(/^\d{1,3}$/, 'the number of a part, from 0'), z.string().max(4_096).nullable());

const inline = z.strictObject({ text: z.string().max(mostTextBytes) });
const chunked = z.strictObject({
  chunks: z.int().min(1).max(mostChunks),
  sha256,
  /** The parts together are base64 of the gzipped file: 32 KB of desired properties hold some 150 KB of YAML then. */
  encoding: z.enum(['gzip']).optional(),
  /** Here, or below `mappingParts` where the parts shall be cleared later without touching this. */
  parts: parts.optional(),
});
const fetched = z.strictObject({ url: z.string().max(2_048), sha256 });

export type AskedFile = z.infer<typeof inline> | z.infer<typeof chunked> | z.infer<typeof fetched>;

/** A union would answer a misspelt key with "no option fits". */
const askedFile = z.unknown().transform((value, context): AskedFile | null => {
  if (value === null) return null;
  const keys = typeof value === 'object' && !Array.isArray(value) ? value : {};
  const schema = 'chunks' in keys ? chunked : 'url' in keys ? fetched : inline;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: 'custom', path: [...path], message });
  return z.NEVER;
});

/** `cooker-1`, or `cooker-1.yaml` where the hub allows a dot in a key. Never a path, never hidden, never the gateway's own file. */
const fileKey = z
  .string()
  .regex(
    /^(?!dragoman(\.|$))[A-Za-z0-9][A-Za-z0-9_-]{0,95}(\.ya?ml)?$/,
    'the name of a mapping file: letters, digits, - and _, with or without .yaml; no folders',
  );

const files = z.record(fileKey, askedFile).refine((all) => Object.keys(all).length <= mostFiles, `at most ${mostFiles} files`);

/** The sections of the desired properties that are ours. The others belong to others. */
export const DesiredConfiguration = z.object({
  mappings: files.optional(),
  mappingParts: z.record(fileKey, parts.nullable()).optional(),
  settings: RuntimeSettings.nullable().optional(),
});
export type DesiredConfiguration = z.infer<typeof DesiredConfiguration>;

export function fileNameOf(key: string): string {
  return /\.ya?ml$/.test(key) ? key : `${key}.yaml`;
}
