import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { formatDuration, parseDuration } from '../mappings/duration.ts';
import { checkYaml } from '../mappings/yaml/check.ts';
import { GatewayError } from '../model/error.ts';
import type { Problem } from '../model/problem.ts';
import { clashes, type DestinationConfig, parseDestination } from './destination/settings.ts';
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
  hub: z.looseObject({}).optional().describe('Where readings go; the embedded hub where neither hub nor destinations is given'),
  destinations: z
    .record(
      z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,31}$/, {
        error: ({ input }) =>
          `"${input}" cannot be the name of a destination: a letter, then letters, digits, hyphens and underscores, at most 32`,
      }),
      z.looseObject({}),
    )
    .optional()
    .describe('More hubs, by name; each gets its selection, in its form, at its pace'),
  adapters: z
    .array(z.string().min(1))
    .default([])
    .describe('Adapters that do not come with Dragoman: packages, or folders that begin with ./'),
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
  writes: z.enum(['on', 'off']).default('on').describe('off: nothing is ever written to a machine, whatever a mapping or a hub says'),
  updateHost: z
    .strictObject({
      script: z.string().min(1).describe('Update script of the host, for /bin/sh; its signature lies beside it, SCRIPT.sig'),
      signer: z.string().min(1).describe('Ed25519 public key that the script must be signed with, PEM'),
      timeout: duration(1_000, 86_400_000).prefault('30m').describe('It is ended after this long'),
    })
    .optional()
    .describe('What the method update-host may run'),
  api: z.strictObject({ listen: listen.prefault('127.0.0.1:8080') }).prefault({}),
  log: z.strictObject({ level: z.enum(logLevels).default('info') }).prefault({}),
});

export interface GatewayConfig extends Omit<z.infer<typeof GatewayFile>, 'hub' | 'destinations'> {
  /** The file itself; its folder is the base of relative paths. */
  readonly file: string;
  readonly folder: string;
  /** At least one of them required; the one named `hub` first, where there is one. */
  readonly destinations: readonly DestinationConfig[];
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
  const { hub, destinations: named = {}, ...rest } = checked.value;
  const problems = [...checked.problems];
  const report = (path: readonly (string | number)[], message: string, which: 'key' | 'value' = 'value', hint?: string): void => {
    const place = checked.at(path, which);
    problems.push({ file, ...place, severity: 'error', rule: 'hub-settings', message, ...(hint !== undefined && { hint }) });
  };
  const written: [string[], string, Readonly<Record<string, unknown>>][] = Object.entries(named).map(([name, one]) => [
    ['destinations', name],
    name,
    one,
  ]);
  if (hub || written.length === 0) written.unshift([['hub'], 'hub', hub ?? { kind: 'embedded' }]);
  if (hub && 'hub' in named) report(['destinations', 'hub'], 'destinations.hub: the name is taken by hub: above; choose another');
  const destinations = written.flatMap(
    ([path, name, one]) =>
      parseDestination(name, path.join('.'), one, ({ path: at, message, which, hint }) => report([...path, ...at], message, which, hint)) ??
      [],
  );
  if (destinations.length < written.length) return { config: undefined, problems };
  const pathOf = (name: string): string[] => written.find(([, one]) => one === name)![0];
  for (const { name, owner, key, what, hint } of clashes(destinations, rest.gateway)) {
    const path = [...pathOf(name), key];
    report(path, `${path.join('.')}: ${what} is that of ${pathOf(owner).join('.')} too`, 'value', hint);
  }
  if (!destinations.some(({ required }) => required))
    report([...written[0]![0], 'required'], 'required: at least one destination must be required');
  if (destinations.filter(({ kind }) => kind === 'embedded').length > 1)
    report(['destinations'], 'destinations: there is one embedded hub at most');
  if (problems.some(({ severity }) => severity === 'error')) return { config: undefined, problems };
  return { config: { ...rest, destinations, file, folder: dirname(resolve(file)) }, problems };
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
