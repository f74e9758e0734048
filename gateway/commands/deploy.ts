import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { writeManifest } from '../../deployments/manifest/write-manifest.ts';
import { readDeployment } from '../../deployments/read-deployment.ts';
import { formatProblems } from '../../mappings/report.ts';
import { callGateway } from '../api/access.ts';
import type { ModulesState } from '../modules/contract.ts';
import { inLines, moduleTable, sayModuleRefusal } from './modules.ts';

export interface DeployOptions {
  readonly data: string;
  readonly dryRun?: boolean;
  readonly wait: boolean;
  readonly json?: boolean;
}

const askEveryMs = 300;

/** `dragoman deploy FILE`: 0 when it runs as asked, 1 when it was refused or could not be carried out. */
export async function deploy(file: string, { data, dryRun = false, wait, json }: DeployOptions): Promise<number> {
  const { manifest, problems } = await readDeployment(file);
  if (problems.length > 0) process.stderr.write(`${formatProblems(problems)}\n`);
  if (!manifest) return 1;
  const folder = resolve(data);
  const answer = await callGateway(folder, 'deploy', { manifest: writeManifest(manifest), dryRun });
  if (answer.status >= 300) {
    if (json) process.stdout.write(`${JSON.stringify(answer.payload, undefined, 2)}\n`);
    else sayDeploymentRefusal(file, answer.payload);
    return 1;
  }
  const { plan } = answer.payload as { plan: readonly string[] };
  if (!json) process.stdout.write(`${plan.map((line) => `  ${line}`).join('\n')}\n`);
  if (dryRun || !wait) {
    if (json) process.stdout.write(`${JSON.stringify(answer.payload, undefined, 2)}\n`);
    return 0;
  }
  const state = await settled(folder);
  if (json) process.stdout.write(`${JSON.stringify(state, undefined, 2)}\n`);
  else {
    const { code, description } = state.deployment;
    const text = code === 200 ? 'it runs as asked' : `not carried out as asked (${code}): ${inLines(description)}`;
    (code === 200 ? process.stdout : process.stderr).write(`${text}\n`);
    process.stdout.write(`${moduleTable(state)}\n`);
  }
  return state.deployment.code === 200 ? 0 : 1;
}

async function settled(folder: string): Promise<ModulesState> {
  for (;;) {
    const { payload } = await callGateway(folder, 'modules', {});
    const state = payload as ModulesState;
    if (state.deployment.state !== 'under way') return state;
    await pause(askEveryMs);
  }
}

interface Finding {
  readonly path: string;
  readonly severity: string;
  readonly message: string;
  readonly hint?: string;
}

function sayDeploymentRefusal(file: string, payload: unknown): void {
  const { details } = payload as { details?: readonly Finding[] };
  if (!details) {
    sayModuleRefusal(payload);
    return;
  }
  for (const { path, severity, message, hint } of details)
    process.stderr.write(`${file}: ${path}: ${severity}: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`);
  process.stderr.write('nothing was changed; what runs goes on\n');
}
