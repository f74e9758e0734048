import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type AzureSettings, azure } from '../hub-client/azure/definition.ts';
import { formatDuration, parseDuration } from '../mappings/duration.ts';
import { checkYaml } from '../mappings/yaml/check.ts';
import { GatewayError } from '../model/error.ts';
import type { Problem } from '../model/problem.ts';
import { logLevels } from './log.ts';
import { parseSize } from './size.ts';

const idPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

const duration = (minMs: number, maxMs: number) =>
  z.string({ error: 'a duration such as 20ms, 1s, 7d' }).transform((text, context): number => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    context.addIssue(
      `"${text}" ${ms === undefined ? 'is not a duration such as 20ms, 1s, 7d' : `is out of range, ${formatDuration(minMs)} to ${formatDuration(maxMs)}`}`,
    );
    return z.NEVER;
  });

const size = (minBytes: number) =>
  z.string({ error: 'a size such as 500MB or 2GB' }).transform((text, context): number => {
    const bytes = parseSize(text);
    if (bytes !== undefined && bytes >= minBytes) return bytes;
    context.addIssue(
      `"${text}" ${bytes === undefined ? 'is not a size such as 500MB or 2GB' : `is too small; at least ${minBytes} bytes`}`,
    );
    return z.NEVER;
  });

const listen = z.string({ error: 'an address and port such as 127.0.0.1:8080' }).transform((text, context) => {
  const match = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match && port <= 65535) return { host: (match[1] ?? match[2])!, port };
  context.addIssue(`"${text}" is not an address and port such as 127.0.0.1:8080`);
  return z.NEVER;
});

const EmbeddedHub = z.strictObject({
  kind: z.literal('embedded'),
  data: z.string().default('./data/hub').describe('Folder of the embedded hub'),
  port: z.int().min(0).max(65535).default(8883).describe('Its MQTT port; 0 takes a free one'),
  compression: z.enum(['none', 'zstd']).default('none'),
});
const AnyHub = z.looseObject({ kind: z.enum(['embedded', 'azure']) });

/** dragoman.yaml. Paths are relative to the file. */
export const GatewayFile = z.strictObject({
  gateway: z
    .string()
    .regex(idPattern, 'letters, digits, hyphens and underscores, at most 64')
    .default(
      () =>
        hostname()
          .replace(/[^A-Za-z0-9_-]/g, '-')
          .slice(0, 64) || 'gateway',
    )
    .describe('Id of this gateway; part of every message'),
  path: z.string().default('').describe('Where the gateway stands, ISA-95: enterprise/site'),
  mappings: z.array(z.string()).min(1, 'name at least one file or folder').default(['./mappings']).describe('Mapping files and folders'),
  hub: AnyHub.default({ kind: 'embedded' }).describe('Where readings go'),
  data: z.string().default('./data').describe('Folder for everything the gateway keeps'),
  outbox: z
    .strictObject({
      folder: z.string().optional().describe('Default: outbox below data'),
      maxSize: size(1_000_000).prefault('2GB'),
      maxAge: duration(1_000, 366 * 86_400_000).prefault('7d'),
      whenFull: z.enum(['drop-oldest', 'refuse-new']).default('drop-oldest'),
      commitEvery: duration(1, 10_000).prefault('20ms').describe('Longest wait before readings are on disk'),
    })
    .prefault({}),
  batchFor: duration(0, 60_000).prefault('200ms').describe('Longest time that readings wait to be sent together'),
  shims: z.array(z.never({ error: 'shims are not in this version' })).default([]),
  api: z.strictObject({ listen: listen.prefault('127.0.0.1:8080') }).prefault({}),
  log: z.strictObject({ level: z.enum(logLevels).default('info') }).prefault({}),
});

export type HubConfig = z.infer<typeof EmbeddedHub> | ({ readonly kind: 'azure' } & AzureSettings);

export interface GatewayConfig extends Omit<z.infer<typeof GatewayFile>, 'hub'> {
  /** The file itself; its folder is the base of relative paths. */
  readonly file: string;
  readonly folder: string;
  readonly hub: HubConfig;
}

/** Absolute path of something the configuration names. */
export function inConfigFolder(config: Pick<GatewayConfig, 'folder'>, path: string): string {
  return resolve(config.folder, path);
}

/** Reads and checks dragoman.yaml. All problems at once; `config` is undefined when one of them is an error. */
export async function loadConfig(
  file: string,
): Promise<{ readonly config: GatewayConfig | undefined; readonly problems: readonly Problem[] }> {
  const text = await readConfig(file);
  const checked = checkYaml(file, text, GatewayFile);
  if (checked.value === undefined) return { config: undefined, problems: checked.problems };
  const { hub: written, ...rest } = checked.value;
  const problems = [...checked.problems];
  const hub = parseHub(written, (path, message) => {
    problems.push({
      file,
      ...checked.at(['hub', ...path], path.length > 0 ? 'value' : 'key'),
      severity: 'error',
      rule: 'hub-settings',
      message,
    });
  });
  if (!hub) return { config: undefined, problems };
  return { config: { ...rest, hub, file, folder: dirname(resolve(file)) }, problems };
}

function parseHub(
  written: z.infer<typeof AnyHub>,
  report: (path: readonly (string | number)[], message: string) => void,
): HubConfig | undefined {
  const { kind, ...settings } = written;
  const result = kind === 'embedded' ? EmbeddedHub.safeParse(written) : azure.settings.safeParse(settings);
  if (result.success) return kind === 'embedded' ? (result.data as HubConfig) : { kind, ...(result.data as AzureSettings) };
  for (const issue of result.error.issues) {
    const path = issue.path.filter((key) => typeof key !== 'symbol');
    report(path, `hub${path.length > 0 ? `.${path.join('.')}` : ''}: ${issue.message}`);
  }
  return undefined;
}

async function readConfig(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  const hint = 'give the file with --config, or start from docker/dragoman.yaml';
  if (!found?.isFile()) throw new GatewayError('config-missing', `there is no configuration file ${file}`, { retry: 'after-fix', hint });
  if (found.size > 1_000_000) {
    throw new GatewayError('config-too-large', `${file} has ${found.size} bytes; a configuration has a few hundred`, {
      retry: 'after-fix',
      hint,
    });
  }
  return readFile(file, 'utf8');
}
