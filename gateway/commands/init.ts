import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { AzureSettings } from '../../hub-client/azure/definition.ts';
import type { HubContext } from '../../hub-client/contract.ts';
import { formatProblems } from '../../mappings/report.ts';
import { GatewayError } from '../../model/error.ts';
import { type GatewayConfig, inConfigFolder, loadConfig } from '../config.ts';
import { type InitOptions, planBox, UsageError, type Wanted } from '../init/box.ts';
import { testConnection } from '../init/connection-test.ts';
import { boxFiles, writeFiles } from '../init/files.ts';
import { askFor, type Terminal } from '../init/questions.ts';
import { onInterrupt } from '../interrupt.ts';
import { createLog } from '../log.ts';
import { secretOpener } from '../secrets.ts';

export type { InitOptions } from '../init/box.ts';

/** Where a call comes from; tests bring their own. */
export interface InitSurroundings {
  /** Where a person can be asked; undefined in a pipe. */
  readonly terminal: Terminal | undefined;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Where the provisioning service tells the time; default 443. */
  readonly clockPort?: number;
}

/**
 * `dragoman init`: writes the configuration of an empty box and tests the way to its hub. Resolves with 0 when the hub took the device,
 * 1 when a file was in the way or a step of the way failed, 2 when the call was wrong.
 */
export async function init(options: InitOptions, surroundings: InitSurroundings = fromProcess()): Promise<number> {
  const { out, err } = surroundings;
  try {
    const wanted = await complete(options, surroundings);
    if (!wanted) {
      err('stopped; nothing was written');
      return 1;
    }
    const box = await planBox(wanted);
    const written = await writeFiles(boxFiles(box, options.file), options.force ?? false);
    out(written.length === 0 ? 'everything is written already; the connection is tested' : `wrote ${written.join(', ')}`);
    return await tryOut(options.file, surroundings);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    err(`${error.message}${error.hint === undefined ? '' : `\n  ${error.hint}`}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

function complete(options: InitOptions, { terminal }: InitSurroundings): Promise<Wanted | undefined> | Wanted {
  const hasProof = options.keyFile ?? options.groupKeyFile ?? options.certificate;
  const isComplete = options.idScope !== undefined && hasProof !== undefined;
  return isComplete || !terminal ? options : askFor(options, terminal);
}

/** With the file just written, as `dragoman run` would read it. */
async function tryOut(file: string, { out, err, signal, clockPort }: InitSurroundings): Promise<number> {
  const { config, problems } = await loadConfig(file);
  if (!config) {
    err(formatProblems(problems));
    return 1;
  }
  await mkdir(inConfigFolder(config, config.mappings[0]!), { recursive: true });
  const settings = config.destinations[0]!.settings as AzureSettings;
  for await (const { name, text, error } of testConnection(settings, contextOf(config), signal ?? onInterrupt(), clockPort)) {
    out(`  ${name.padEnd(9)}  ${error ? 'failed: ' : ''}${text}`);
    if (!error) continue;
    if (error.hint !== undefined) out(`  ${' '.repeat(9)}  ${error.hint}`);
    out('The files stay. Call the same again when that is put right.');
    return 1;
  }
  out(`Ready. Put mapping files into ${join(dirname(file), config.mappings[0]!)}, then: dragoman run --config ${file}`);
  return 0;
}

/** As the gateway itself connects, so that it starts with the assignment that was found here. */
function contextOf(config: GatewayConfig): HubContext {
  return {
    gateway: config.gateway,
    source: `/${config.path === '' ? '' : `${config.path}/`}${config.gateway}`,
    plant: { machines: () => [], latest: () => [], onChange: () => ({ [Symbol.dispose]() {} }) },
    stateFolder: join(inConfigFolder(config, config.data), 'state', 'hub-client'),
    resolve: (path) => resolve(config.folder, path),
    log: createLog('error'),
    secret: secretOpener(config.folder),
  };
}

function fromProcess(): InitSurroundings {
  const { stdin, stdout, stderr } = process;
  return {
    terminal: stdin.isTTY && stdout.isTTY ? { input: stdin, output: stdout } : undefined,
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${line}\n`),
  };
}
