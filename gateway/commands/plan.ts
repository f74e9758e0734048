import type { Manifest, RunningModule } from '../../deployments/contract.ts';
import { plan } from '../../deployments/plan/plan.ts';
import { formatPlan } from '../../deployments/plan/text.ts';
import { readDeployment } from '../../deployments/read-deployment.ts';
import { formatProblems } from '../../mappings/report.ts';

/** `dragoman plan FILE`: 0 when the manifest can be carried out, 1 when it has errors. */
export async function planDeployment(file: string, options: { readonly from?: string; readonly json?: boolean }): Promise<number> {
  const wanted = await readDeployment(file);
  const before = options.from === undefined ? undefined : await readDeployment(options.from);
  const problems = [...(before?.problems ?? []), ...wanted.problems];
  const ready = wanted.manifest && (before === undefined || before.manifest);
  const steps = ready ? plan(asRunning(before?.manifest), wanted.manifest!) : undefined;
  if (options.json) process.stdout.write(`${JSON.stringify({ problems, ...steps }, undefined, 2)}\n`);
  else {
    if (problems.length > 0) process.stderr.write(`${formatProblems(problems)}\n`);
    if (steps) {
      const from = options.from ?? 'a box without modules';
      process.stdout.write(
        `from ${from} to ${file}:\n${formatPlan(steps)
          .map((line) => `  ${line}`)
          .join('\n')}\n`,
      );
    }
  }
  return steps ? 0 : 1;
}

/** As if all of it had been carried out. */
function asRunning(manifest: Manifest | undefined): RunningModule[] {
  return [...(manifest?.modules.values() ?? [])].map((spec) => ({ name: spec.name, spec, imageId: '', runtimeStatus: spec.status }));
}
