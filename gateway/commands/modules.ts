import { resolve } from 'node:path';
import { callGateway } from '../api/access.ts';
import type { ModulesState } from '../modules/contract.ts';
import { sayRefusal } from './refusal.ts';
import { table } from './table.ts';

interface Options {
  readonly data: string;
  readonly json?: boolean;
}

/** `dragoman modules`: what runs, what should, what waits. 1 when the gateway runs none. */
export async function showModules({ data, json }: Options): Promise<number> {
  const answer = await callGateway(resolve(data), 'modules', {});
  if (json) process.stdout.write(`${JSON.stringify(answer.payload, undefined, 2)}\n`);
  else if (answer.status >= 300) sayModuleRefusal(answer.payload);
  else process.stdout.write(`${describe(answer.payload as ModulesState)}\n`);
  return answer.status < 300 ? 0 : 1;
}

/** `dragoman modules restart NAME`. */
export async function restartModule(module: string, { data }: Options): Promise<number> {
  const answer = await callGateway(resolve(data), 'module-restart', { module });
  if (answer.status >= 300) sayModuleRefusal(answer.payload);
  else process.stdout.write(`${module} was started anew\n`);
  return answer.status < 300 ? 0 : 1;
}

/** `dragoman modules logs NAME`. */
export async function moduleLogs(module: string, options: Options & { tail: string; since?: string }): Promise<number> {
  const tail = Number(options.tail);
  const payload = { module, tail, ...(options.since !== undefined && { since: options.since }) };
  const answer = await callGateway(resolve(options.data), 'module-logs', payload);
  if (answer.status >= 300) sayModuleRefusal(answer.payload);
  else for (const { payload: text } of answer.payload as readonly { payload?: string }[]) process.stdout.write(text ?? '');
  return answer.status < 300 ? 0 : 1;
}

/** What is said of several modules, each on a line of its own. */
export const inLines = (description: string): string => description.replaceAll(/(?:: |; )(?=[\w.-]+: )/g, '\n  ');

/** One line a module. */
export function moduleTable({ modules }: ModulesState): string {
  if (modules.length === 0) return 'no modules';
  const rows = modules.map(({ name, image, status, desired, restarts, connected, description }) => [
    name,
    image,
    status === desired ? status : `${status} (should be ${desired})`,
    String(restarts),
    connected ? 'yes' : 'no',
    description,
  ]);
  return table(['module', 'image', 'status', 'restarts', 'connected', ''], rows);
}

function describe(state: ModulesState): string {
  const { engine, engineProblem, deployment, broker } = state;
  const { state: how, from, version, description } = deployment;
  const source = how === 'none' ? 'none yet' : `${how}, from ${from}${version > 0 ? `, version ${version}` : ''}`;
  const waiting = broker.queues
    .filter((queue) => queue.waiting + queue.expired + queue.refused + queue.removed > 0)
    .map(({ endpoint, waiting: here, expired, refused, removed }) => [endpoint, ...[here, expired, refused, removed].map(String)]);
  return [
    `engine      ${engineProblem === undefined ? engine : `none: ${engineProblem}`}`,
    `deployment  ${source}${description === '' ? '' : `: ${inLines(description)}`}`,
    `broker      ${broker.connections} connected, ${broker.received} messages, ${broker.unrouted} of them wanted by no route`,
    '',
    moduleTable(state),
    ...(waiting.length > 0 ? ['', table(['queue', 'waiting', 'expired', 'refused', 'removed'], waiting)] : []),
  ].join('\n');
}

/** As any method's, and what to do where the gateway runs no modules. */
export function sayModuleRefusal(payload: unknown): void {
  const { error } = payload as { error?: string };
  if (error === 'method-unknown')
    process.stderr.write('the gateway runs no modules\n  add "modules: {}" to its dragoman.yaml and start it anew\n');
  else sayRefusal(payload);
}
