import { z } from 'zod';
import { readMoment } from './log-time.ts';
import { AgentRefusal } from './refusal.ts';

/** What of the log of a module is wanted. */
export interface LogFilter {
  /** Last lines, before the other filters but those of time. */
  readonly tail: number | undefined;
  /** Seconds since 1970. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  /** Of syslog: 0 emergency to 7 debug; these and graver ones. */
  readonly loglevel: number | undefined;
  readonly regex: RegExp | undefined;
}

export interface LogItem {
  /** A module's name, `all`, or a regular expression for names. */
  readonly id: string;
  readonly filter: LogFilter;
}

export interface LogRequest {
  readonly items: readonly LogItem[];
  readonly encoding: 'none' | 'gzip';
  readonly contentType: 'json' | 'text';
}

const moment = z.union([z.string(), z.number()]).nullish();
const version = z.string().regex(/^1\.\d+$/, 'schemaVersion: "1.0" is expected');
const Item = z.object({
  id: z.string().min(1),
  filter: z
    .object({
      tail: z.int().min(0).nullish(),
      since: moment,
      until: moment,
      loglevel: z.int().min(0).max(7).nullish(),
      regex: z.string().nullish(),
    })
    .nullish(),
});
const choice = <const T extends string>(...values: readonly T[]) =>
  z
    .string()
    .transform((text) => text.toLowerCase())
    .pipe(z.enum(values));
const Logs = z.object({
  schemaVersion: version,
  // One alone may stand without brackets.
  items: z.preprocess((value) => (Array.isArray(value) || value === undefined ? value : [value]), z.array(Item).min(1)),
  encoding: choice('none', 'gzip').default('none'),
  contentType: choice('json', 'text').default('text'),
});
const Module = z.object({ schemaVersion: version, id: z.string().min(1) });
const Task = z.object({ schemaVersion: version, correlationId: z.string().min(1) });
const Bundle = z.object({
  schemaVersion: version,
  sasUrl: z.string(),
  since: moment,
  until: moment,
  edgeRuntimeOnly: z.boolean().nullish(),
});

export function readLogRequest(payload: unknown, nowMs: number): LogRequest {
  const { items, encoding, contentType } = checked(Logs, payload);
  return { items: items.map((item) => readItem(item, nowMs)), encoding, contentType };
}

function readItem({ id, filter }: z.infer<typeof Item>, nowMs: number): LogItem {
  const { tail, since, until, loglevel, regex } = filter ?? {};
  return {
    id,
    filter: {
      tail: tail ?? undefined,
      since: momentOf('since', since, nowMs),
      until: momentOf('until', until, nowMs),
      loglevel: loglevel ?? undefined,
      regex: typeof regex === 'string' ? readPattern('regex', regex) : undefined,
    },
  };
}

export const readModuleId = (payload: unknown): string => checked(Module, payload).id;
export const readCorrelationId = (payload: unknown): string => checked(Task, payload).correlationId;

export interface BundleRequest {
  readonly sasUrl: URL;
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly runtimeOnly: boolean;
}

export function readBundleRequest(payload: unknown, nowMs: number): BundleRequest {
  const { sasUrl, since, until, edgeRuntimeOnly } = checked(Bundle, payload);
  return {
    sasUrl: readSasUrl({ sasUrl }),
    since: momentOf('since', since, nowMs),
    until: momentOf('until', until, nowMs),
    runtimeOnly: edgeRuntimeOnly ?? false,
  };
}

/** Never quotes it: it is a key. */
export function readSasUrl(payload: unknown): URL {
  const text = (payload as { sasUrl?: unknown } | null)?.sasUrl;
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined;
  if (!url) throw new AgentRefusal(400, 'sasUrl: the URL of a container of a storage account with its signature is expected');
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) return url;
  throw new AgentRefusal(400, 'sasUrl: https is expected, so that nobody reads along');
}

export function readPattern(key: string, text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new AgentRefusal(400, `${key}: ${(error as Error).message}`);
  }
}

const momentOf = (key: string, value: string | number | null | undefined, nowMs: number): number | undefined =>
  value === undefined || value === null ? undefined : readMoment(key, value, nowMs);

function checked<T>(schema: z.ZodType<T>, payload: unknown): T {
  const { success, data, error } = schema.safeParse(payload);
  if (success) return data;
  const said = error.issues.map(({ path, message }) => [path.join('.'), message].filter((text) => text !== '').join(': '));
  throw new AgentRefusal(400, said.join('; '));
}
