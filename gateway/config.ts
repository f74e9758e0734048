import { readFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { checkYaml } from '../mappings/yaml/check.ts';
import { GatewayError } from '../model/error.ts';
import type { Problem } from '../model/problem.ts';
import { clashes, type DestinationConfig, type EmbeddedHub, parseDestination } from './destination/settings.ts';
import { logLevels } from './log.ts';
import { ModulesSettings } from './modules/settings.ts';
import { duration, listen, size } from './scalars.ts';

const idPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

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
  modules: ModulesSettings.optional().describe('Containers that a deployment brings; left out: this gateway runs none'),
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
  const brokerPort = rest.modules?.broker.listen.port;
  const embedded = destinations.find(({ kind, settings }) => kind === 'embedded' && (settings as EmbeddedHub).port === brokerPort);
  const saysPort = embedded && written.find(([, name]) => name === embedded.name)?.[2].port !== undefined;
  if (saysPort) {
    const hint = 'modules look for the broker at 8883; give the hub another port, such as 8884';
    report(
      [...pathOf(embedded.name), 'port'],
      `port: ${brokerPort} is that of the module broker too (modules.broker.listen)`,
      'value',
      hint,
    );
  }
  if (problems.some(({ severity }) => severity === 'error')) return { config: undefined, problems };
  const placed = destinations.map((one) => (one === embedded ? besideBroker(one) : one));
  return { config: { ...rest, destinations: placed, file, folder: dirname(resolve(file)) }, problems };
}

/** Modules find the broker at the port that the embedded hub has otherwise. */
function besideBroker(hub: DestinationConfig): DestinationConfig {
  const settings = hub.settings as EmbeddedHub;
  return { ...hub, settings: { ...settings, port: settings.port + 1 } };
}

async function readConfig(file: string): Promise<string> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw unreadable(file, error);
  });
  const hint = 'give the file with --config, or start from docker/dragoman.yaml';
  if (!found?.isFile()) throw new GatewayError('config-missing', `there is no configuration file ${file}`, { retry: 'after-fix', hint });
  if (found.size > 1_000_000) {
    throw new GatewayError('config-too-large', `${file} has ${found.size} bytes; a configuration has a few hundred`, {
      retry: 'after-fix',
      hint,
    });
  }
  return readFile(file, 'utf8').catch((error: Error) => {
    throw unreadable(file, error);
  });
}

const unreadable = (file: string, cause: Error): GatewayError =>
  new GatewayError('config-unreadable', `the configuration file ${file} cannot be read: ${cause.message}`, {
    retry: 'after-fix',
    hint: `the user of the gateway (${process.getuid?.()}) must be able to read it, and to enter the folders that it is in`,
    cause,
  });
