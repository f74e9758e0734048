import { basename } from 'node:path';
import { toKubernetes } from '../../deployments/kubernetes/to-kubernetes.ts';
import { writeManifest } from '../../deployments/manifest/write-manifest.ts';
import { readDeployment } from '../../deployments/read-deployment.ts';
import { formatProblems } from '../../mappings/report.ts';

export interface ExportOptions {
  readonly to: string;
  readonly id?: string;
  readonly target?: string;
  readonly priority: string;
}

/** `dragoman export FILE --to FORM`: 0 when it was written, 1 when the file has errors, 2 for another form. */
export async function exportDeployment(file: string, options: ExportOptions): Promise<number> {
  const { to, id, target: condition, priority } = options;
  if (to !== 'kubernetes' && to !== 'manifest') {
    process.stderr.write(`--to ${to}: kubernetes and manifest are known\n`);
    return 2;
  }
  if (!/^\d+$/.test(priority)) {
    process.stderr.write(`--priority ${priority}: a whole number is expected\n`);
    return 2;
  }
  const { manifest, target, problems } = await readDeployment(file);
  if (problems.length > 0) process.stderr.write(`${formatProblems(problems)}\n`);
  if (!manifest) return 1;
  const known = target ?? {
    id: basename(file)
      .replace(/\.[^.]*$/, '')
      .toLowerCase(),
    condition: undefined,
    priority: 10,
    labels: {},
  };
  const aim = {
    ...known,
    ...(id !== undefined && { id }),
    ...(condition !== undefined && { condition }),
    priority: target?.priority ?? Number(priority),
  };
  process.stdout.write(to === 'kubernetes' ? toKubernetes(manifest, aim) : `${JSON.stringify(writeManifest(manifest), undefined, 2)}\n`);
  return 0;
}
