import type { GatewayError } from '../../model/error.ts';
import type { ManifestProblem } from '../contract.ts';
import type { DeploymentStatus } from './contract.ts';

/** Before the first deployment. */
export const noneYet: DeploymentStatus = { code: 406, description: 'no deployment yet' };

/** What is reported of a deployment that is refused before anything moves. */
export function refusalOf(problems: readonly ManifestProblem[]): DeploymentStatus {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const rules = new Set(errors.map(({ rule }) => rule));
  const code = rules.has('schema-version') ? 412 : rules.has('empty-deployment') ? 417 : 400;
  const said = errors.map(({ path, message, hint }) => `${path}: ${message}${hint === undefined ? '' : ` (${hint})`}`);
  return { code, description: said.join('; ') };
}

/** What is reported of one that was carried out: 200 without failures. */
export function statusOf(failures: ReadonlyMap<string, GatewayError>, modules: number): DeploymentStatus {
  if (failures.size === 0) return { code: 200, description: '' };
  const said = [...failures].map(([module, { message, hint }]) => {
    const named = message.startsWith(`${module}:`) ? message : `${module}: ${message}`;
    return hint === undefined ? named : `${named} (${hint})`;
  });
  return { code: 500, description: `${failures.size} of ${modules} modules not as asked: ${said.join('; ')}` };
}
