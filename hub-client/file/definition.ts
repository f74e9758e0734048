import { normalize } from 'node:path';
import { z } from 'zod';
import type { HubClientKind } from '../contract.ts';
import { compressions } from '../delivery/compression.ts';
import { duration, size } from '../delivery/setting.ts';
import { nameProblems } from './file-name.ts';

const rotation = z.strictObject({
  size: size(1_024, 1_024 * 1_048_576)
    .prefault('16MB')
    .describe('A file that reaches this size is finished'),
  after: duration(1_000, 31 * 86_400_000)
    .prefault('1h')
    .describe('A file is finished so long after its first line, also when nothing more came'),
});

const retention = z.strictObject({
  files: z.int().min(1).optional().describe('Most finished files'),
  size: size(1_024, Number.MAX_SAFE_INTEGER).optional().describe('Most bytes of finished files'),
  age: duration(60_000, 3_650 * 86_400_000)
    .optional()
    .describe('Oldest finished file'),
});

/** All durations in milliseconds, sizes in bytes. */
export const FileSettings = z.strictObject({
  folder: z
    .string()
    .min(1)
    .describe('Where the files go, relative to the file of the configuration. Made when it is not there; its parent must be'),
  name: z
    .string()
    .superRefine((text, context) => {
      for (const problem of nameProblems(text)) context.addIssue(problem);
    })
    .default('{gateway}-{time}-{sequence}')
    .describe('Name of a file, without extension; may hold {gateway}, {time} (UTC, of its first line) and {sequence}'),
  rotate: rotation.prefault({}).describe('When a file is finished'),
  keep: retention.prefault({}).describe('Finished files beyond this are deleted, the oldest first, read or not. Default: all are kept'),
  compression: z.enum(compressions).default('none').describe('Of finished files: .gz or .zst'),
  window: z.int().min(1).max(1_000).default(64).describe('Messages under way at once; those that wait together share one write to disk'),
  maxMessage: size(4_096, 64 * 1_048_576)
    .prefault('1MB')
    .describe('Largest body the gateway makes'),
});
export type FileSettings = z.infer<typeof FileSettings>;

export const file: HubClientKind<FileSettings> = {
  name: 'file',
  summary: 'Files of lines (JSON, CSV) in a folder, finished by size and age',
  settings: FileSettings,
  where: ({ folder }) => `files in ${folder}`,
  claims: ({ folder }) => [
    {
      key: 'folder',
      what: `the folder ${normalize(`${folder}/`)}`,
      hint: 'each needs one of its own: it finishes what it finds unfinished there',
    },
  ],
  refuses: (_, { name, binary }) =>
    binary ? `${name} has no lines of text, which files are made of; csv, flat, senml and others have` : undefined,
  load: () => import('./client.ts'),
};
