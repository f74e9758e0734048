import { z } from 'zod';
import type { ManifestProblem } from '../../deployments/contract.ts';
import { readManifest } from '../../deployments/manifest/read-manifest.ts';
import { formatPlan } from '../../deployments/plan/text.ts';
import { type Method, MethodRefusal, type Methods } from '../methods/methods.ts';
import type { ModuleControl } from './contract.ts';

const method = <Input>(made: Method<Input>): Method<Input> => made;
const name = z.string().min(1).max(128);

/** `deploy`, `modules`, `module-restart`, `module-logs`: what commands on this machine, and people in an office, ask of the modules. */
export function addModuleMethods(methods: Methods, control: ModuleControl): void {
  methods.add(
    method({
      name: 'deploy',
      summary: 'Checks a deployment manifest and carries it out: { manifest: { modulesContent: … }, dryRun: true }',
      input: z.strictObject({ manifest: z.looseObject({}), dryRun: z.boolean().optional() }),
      async handle({ manifest: given, dryRun }, { who, from }) {
        const { manifest, problems } = readManifest(given, { environment: process.env });
        if (!manifest) throw refused(problems);
        const here = await control.check(manifest);
        if (here.some(({ severity }) => severity === 'error')) throw refused([...problems, ...here]);
        const plan = control.plan(manifest);
        if (!dryRun) control.deploy(manifest, { who, from: from === 'hub' ? 'hub' : 'command' });
        return { begun: !dryRun, plan: formatPlan(plan), steps: plan.steps, keep: plan.keep, problems: [...problems, ...here] };
      },
    }),
  );
  methods.add(
    method({
      name: 'modules',
      summary: 'Shows the modules, the deployment that brought them, and what waits in the queues of routes: {}',
      input: z.strictObject({}),
      handle: async () => control.state(),
    }),
  );
  methods.add(
    method({
      name: 'module-restart',
      summary: 'Starts the container of a module anew: { module: "score" }',
      input: z.strictObject({ module: name }),
      handle: ({ module }) => asked(control, 'RestartModule', { schemaVersion: '1.0', id: module }),
    }),
  );
  methods.add(
    method({
      name: 'module-logs',
      summary: 'Gives the last lines of a module: { module: "score", tail: 100, since: "10m" }',
      input: z.strictObject({ module: name, tail: z.int().min(1).max(10_000).default(100), since: z.string().max(64).optional() }),
      handle: ({ module, tail, since }) =>
        asked(control, 'GetModuleLogs', {
          schemaVersion: '1.0',
          items: [{ id: `^${module.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`, filter: { tail, ...(since !== undefined && { since }) } }],
          encoding: 'none',
          contentType: 'text',
        }),
    }),
  );
}

async function asked(control: ModuleControl, name: string, payload: unknown): Promise<unknown> {
  const answer = await control.call(name, payload);
  if (answer.status < 300) return answer.payload;
  const message = (answer.payload as { message?: string } | undefined)?.message ?? JSON.stringify(answer.payload);
  throw new MethodRefusal(answer.status === 404 ? 404 : answer.status >= 500 ? 503 : 400, 'module-refused', message);
}

function refused(problems: readonly ManifestProblem[]): MethodRefusal {
  const errors = problems.filter(({ severity }) => severity === 'error');
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new MethodRefusal(400, 'deployment-refused', `${first?.path}: ${first?.message}${more}; what runs goes on`, {
    ...(first?.hint !== undefined && { hint: first.hint }),
    details: problems.map(({ path, severity, rule, message, hint }) => ({ path, severity, rule, message, hint })),
  });
}
