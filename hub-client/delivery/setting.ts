import { z } from 'zod';
import { formatDuration, parseDuration } from '../../mappings/duration.ts';

/** `{ file: … }` or `{ env: … }`; `what` names it in the message. */
export const secret = (what: string) =>
  z.union([z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().min(1) })], {
    error: `say where the ${what} is kept, { file: ./secrets/hub } or { env: NAME }; it does not belong in this file itself`,
  });

/** Path of a PEM file, relative to the file of the configuration. */
export const pemPath = (what: string) => z.string({ error: `${what}: the path of a PEM file` }).min(1, `${what}: the path of a PEM file`);

/** A private key: the path of a PEM file, or a secret. */
export const privateKey = () =>
  z.union([pemPath('privateKey').transform((file) => ({ file })), secret('private key')], {
    error: 'the path of a PEM file, or { file: … } or { env: … }',
  });

/** Written `30s`, kept in milliseconds. */
export const duration = (minMs: number, maxMs: number) =>
  z.string({ error: 'a duration such as 30s, 5m or 1h' }).transform((text, context): number => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    const problem = ms === undefined ? 'is not a duration such as 30s, 5m or 1h' : 'is out of range';
    context.addIssue(`"${text}" ${problem}; ${formatDuration(minMs)} to ${formatDuration(maxMs)}`);
    return z.NEVER;
  });

const units = { B: 1, KB: 1_000, KIB: 1_024, MB: 1_000_000, MIB: 1_048_576 } as const;

/** Written `240KB` or `1MiB`, kept in bytes; `why` is added to the message of one out of range. */
export const size = (minBytes: number, maxBytes: number, why = '') =>
  z.string({ error: 'a size such as 240KB or 200KiB' }).transform((text, context): number => {
    const match = /^(\d+(?:\.\d+)?)\s*(B|KB|KiB|MB|MiB)$/i.exec(text.trim());
    const bytes = match ? Math.floor(Number(match[1]) * units[match[2]?.toUpperCase() as keyof typeof units]) : Number.NaN;
    if (bytes >= minBytes && bytes <= maxBytes) return bytes;
    const problem = match ? 'is out of range' : 'is not a size such as 240KB or 200KiB';
    context.addIssue(`"${text}" ${problem}; ${minBytes} B to ${maxBytes} B${why === '' ? '' : `, ${why}`}`);
    return z.NEVER;
  });
