import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Log } from '../../adapters/contract.ts';
import { formatProblems } from '../../mappings/report.ts';
import type { Problem } from '../../model/problem.ts';
import { apiToken, tellAddress } from '../api/access.ts';
import { startApiServer } from '../api/server.ts';
import { type GatewayConfig, inConfigFolder, loadConfig } from '../config.ts';
import { dataFolder, mappingPaths, outboxFolder } from '../folders.ts';
import { Gateway, type ReloadResult } from '../gateway.ts';
import { trimAfterMs, trimHeap } from '../heap.ts';
import { aborted, onInterrupt } from '../interrupt.ts';
import { loadGatewayMappings } from '../loaded-mappings.ts';
import { createLog } from '../log.ts';
import type { MappingSet } from '../mapping-set.ts';
import { addDeviceMethods } from '../methods/device-methods.ts';
import { LogBook, LogLevelForAWhile } from '../methods/log-book.ts';
import { Methods } from '../methods/methods.ts';
import type { HostUpdateSettings } from '../methods/update-host.ts';
import { formatPlan } from '../reload-plan.ts';
import { packageVersion } from '../version.ts';
import { watchFiles } from '../watch-files.ts';
import { counted } from './check.ts';

/** Whatever hangs, the process is gone after this; Ctrl-C promises two seconds. */
const stopWithinMs = 1_800;

/** `dragoman run`: what the container runs. */
export async function run(options: { config: string }): Promise<number> {
  const { config, problems } = await loadConfig(options.config);
  sayProblems(problems);
  if (!config) return 1;
  const logBook = new LogBook();
  const log = createLog(config.log.level, logBook);
  await makeDefaultFolder(config);
  const loaded = await loadGatewayMappings(config, log);
  const { set } = loaded;
  const waits = set.equipment.length === 0 && mayLearn(config, set);
  sayProblems(waits ? set.problems.filter(({ rule }) => rule !== 'no-files') : set.problems);
  if (set.equipment.length === 0 && !waits) {
    process.stderr.write(`no machine to read: ${counted(set.files.length, 'mapping file')} found, none without errors\n`);
    return 1;
  }
  const restart = new AbortController();
  const stop = AbortSignal.any([onInterrupt(), restart.signal]);
  using logLevel = new LogLevelForAWhile(log, config.log.level);
  const methods = new Methods(log);
  const gateway = await Gateway.start(config, log, loaded, methods, stop);
  try {
    addDeviceMethods(methods, {
      identity: () => gateway.identity(),
      restart: () => restart.abort(),
      readNow: (equipment) => gateway.readNow(equipment),
      points: (request, maxBytes) => gateway.points(request, maxBytes),
      logBook,
      logLevel,
      hostUpdate: hostUpdateOf(config),
      onHostUpdate: (state) => gateway.room.remote.twin.report('hostUpdate', state),
    });
    const data = dataFolder(config);
    await using modules = await openModules(config, gateway, methods, log, logBook);
    await using api = await startApiServer(config.api.listen, {
      health: () => {
        const problems = gateway.problems();
        return { ok: problems.length === 0, problems };
      },
      status: () => ({ ...gateway.status(), ...(modules && { modules: modules.state() }) }),
      points: () => gateway.points(),
      token: await apiToken(data),
      call: (name, payload) => methods.call(name, payload, { who: 'token of the local API', from: 'local', requestId: randomUUID() }),
    });
    await tellAddress(data, api.url);
    sayStart(config, gateway, set.fallbacks, api.url);
    const reload = (): void =>
      void gateway.reload().then(sayReload, (error: unknown) => log.error({ err: error }, 'reload failed, nothing changed'));
    using _watching = await watchFiles(mappingPaths(config), reload);
    process.on('SIGHUP', reload);
    setTimeout(trimHeap, trimAfterMs).unref();
    await aborted(stop);
    setTimeout(() => process.exit(0), stopWithinMs).unref();
  } finally {
    await gateway[Symbol.asyncDispose]();
  }
  return 0;
}

/** Loads nothing of it for a gateway without modules. */
async function openModules(config: GatewayConfig, gateway: Gateway, methods: Methods, log: Log, logBook: LogBook) {
  const settings = config.modules;
  if (!settings) return undefined;
  const { startModules } = await import('../modules/start.ts');
  return startModules({ config, settings, gateway, methods, log, logBook });
}

/** Nobody who unpacks a box should have to make a folder for mappings that come from elsewhere. */
async function makeDefaultFolder(config: GatewayConfig): Promise<void> {
  if (config.mappings.join() !== './mappings') return;
  // On a read-only disk the load says what is missing.
  for (const path of mappingPaths(config)) await mkdir(path, { recursive: true }).catch(() => {});
}

/** An empty box whose hub can send it mappings waits for them; one whose own files are all wrong must be looked at. */
function mayLearn({ destinations }: GatewayConfig, { files }: MappingSet): boolean {
  return files.length === 0 && ['azure', 'embedded'].includes(destinations[0]?.kind ?? '');
}

function hostUpdateOf(config: GatewayConfig): HostUpdateSettings | undefined {
  const { updateHost } = config;
  return (
    updateHost && {
      script: inConfigFolder(config, updateHost.script),
      signer: inConfigFolder(config, updateHost.signer),
      timeoutMs: updateHost.timeout,
    }
  );
}

function sayStart(config: GatewayConfig, gateway: Gateway, fallbacks: readonly string[], statusUrl: string): void {
  const { equipment } = gateway;
  const points = equipment.reduce((sum, one) => sum + one.points.length, 0);
  const lines = [
    `dragoman ${packageVersion()}, gateway ${config.gateway}`,
    `  machines  ${equipment.length === 0 ? 'none yet; the hub may send their mappings' : ''}${equipment
      .map((one) => `${one.id} (${one.adapter}, ${counted(one.points.length, 'point')})`)
      .slice(0, 6)
      .join(', ')}${equipment.length > 6 ? `, … ${equipment.length} in all, ${counted(points, 'point')}` : ''}`,
    ...gateway.destinations.map(({ name, where }) => `  ${name.padEnd(9)} ${where}`),
    `  outbox    ${outboxFolder(config)}`,
    `  status    ${statusUrl}/status`,
    ...fallbacks.map((file) => `  note      ${file} has errors; it runs as it last was good`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function sayReload({ plan, problems, fallbacks, applied }: ReloadResult): void {
  sayProblems(problems);
  for (const file of fallbacks) process.stderr.write(`${file} has errors; its machines run on as they were\n`);
  if (applied) process.stdout.write(`mappings reloaded\n${formatPlan(plan).join('\n')}\n`);
}

let said = '';

/** A reload that finds what the last one found need not say it again. */
function sayProblems(problems: readonly Problem[]): void {
  const text = problems.length > 0 ? `${formatProblems(problems)}\n` : '';
  if (text !== said) process.stderr.write(text);
  said = text;
}
