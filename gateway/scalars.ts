import { z } from 'zod';
import { formatDuration, parseDuration } from '../mappings/duration.ts';
import { parseSize } from './size.ts';

/** Text such as `20ms` as milliseconds. */
export const duration = (minMs: number, maxMs: number) =>
  z.string({ error: 'a duration such as 20ms, 1s, 7d' }).transform((text, context): number => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    context.addIssue(
      `"${text}" ${ms === undefined ? 'is not a duration such as 20ms, 1s, 7d' : `is out of range, ${formatDuration(minMs)} to ${formatDuration(maxMs)}`}`,
    );
    return z.NEVER;
  });

/** Text such as `2GB` as bytes. */
export const size = (minBytes: number) =>
  z.string({ error: 'a size such as 500MB or 2GB' }).transform((text, context): number => {
    const bytes = parseSize(text);
    if (bytes !== undefined && bytes >= minBytes) return bytes;
    context.addIssue(
      `"${text}" ${bytes === undefined ? 'is not a size such as 500MB or 2GB' : `is too small; at least ${minBytes} bytes`}`,
    );
    return z.NEVER;
  });

/** `ADDRESS:PORT`; an IPv6 address stands in brackets. */
export const listen = z.string({ error: 'an address and port such as 127.0.0.1:8080' }).transform((text, context) => {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match && port <= 65535) return { host: (match[1] ?? match[2])!, port };
  context.addIssue(`"${text}" is not an address and port such as 127.0.0.1:8080`);
  return z.NEVER;
});
