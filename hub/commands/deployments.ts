import type { Command } from 'commander';
import type { ConfigurationDocument } from '../deployments/contract.ts';
import { type RolloutAction, type RolloutDocument, rolloutActions } from '../deployments/rollout/contract.ts';
import { HubError } from '../error.ts';
import { callHub } from './rest-call.ts';
import { folderOf, print } from './shared.ts';
import { table } from './table.ts';

interface Fields {
  readonly target?: string;
  readonly priority?: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly metric?: Readonly<Record<string, string>>;
  readonly json?: boolean;
}
interface Json {
  readonly json?: boolean;
}

const usualPriority = 10;
const pathOf = (id: string): string => `/configurations/${encodeURIComponent(id)}`;

const read = async (id: string, command: Command): Promise<ConfigurationDocument> =>
  (await callHub(folderOf(command), { method: 'GET', path: pathOf(id), right: 'registryRead' })) as ConfigurationDocument;

export async function list(options: Json, command: Command): Promise<void> {
  const found = (await callHub(folderOf(command), {
    ...{ method: 'GET', path: '/configurations', right: 'registryRead' },
  })) as readonly ConfigurationDocument[];
  if (options.json) return void (await print(JSON.stringify(found)));
  if (found.length === 0)
    return void (await print('no deployments yet; make one with: dragoman hub deployments create FILE --target CONDITION'));
  const strongest = found.toSorted((a, b) => b.priority - a.priority || b.createdTimeUtc.localeCompare(a.createdTimeUtc));
  const rows = strongest.map((one) => [one.id, String(one.priority), ...figuresOf(one), rolloutOf(one.rollout), targetOf(one)]);
  for (const row of table(['DEPLOYMENT', 'PRIORITY', 'TARGETED', 'APPLIED', 'OK', 'FAILED', 'ROLLOUT', 'TARGET'], rows)) await print(row);
}

export async function show(id: string, options: Json, command: Command): Promise<void> {
  const found = await read(id, command);
  if (options.json) return void (await print(JSON.stringify(found)));
  await print(`deployment  ${found.id}`);
  await print(`target      ${targetOf(found)}`);
  await print(`priority    ${found.priority}`);
  for (const [key, value] of Object.entries(found.labels)) await print(`label       ${key}=${value}`);
  await print(`created     ${found.createdTimeUtc}`);
  await print(`changed     ${found.lastUpdatedTimeUtc}`);
  for (const [name, count] of Object.entries(resultsOf(found))) await print(`${name.padEnd(24)}  ${count}`);
  if (found.rollout) for (const line of rolloutLines(found.rollout)) await print(line);
  await print(JSON.stringify(found.content, undefined, 2));
}

export async function create(file: string, options: Fields & { readonly id?: string }, command: Command): Promise<void> {
  const { readDeploymentFile } = await import('./deployment-file.ts');
  const given = readDeploymentFile(file);
  for (const warning of given.warnings) process.stderr.write(`${warning}\n`);
  const targetCondition = options.target ?? given.targetCondition;
  if (targetCondition === undefined) {
    command.error(`${file} does not say for whom it is: give --target, such as "tags.site = 'leeds'", or * for every edge device`, {
      exitCode: 2,
    });
  }
  const id = options.id ?? given.id;
  const body = {
    ...{ id, content: given.content, targetCondition, priority: options.priority ?? given.priority ?? usualPriority },
    labels: labelsOf(given.labels ?? {}, options.label),
    metrics: options.metric ? { queries: options.metric } : given.metrics,
  };
  await tell(await callHub(folderOf(command), { method: 'PUT', path: pathOf(id), right: 'registryWrite', body }), 'is there', options);
}

export async function update(id: string, options: Fields, command: Command): Promise<void> {
  const before = await read(id, command);
  const body = {
    ...(options.target !== undefined && { targetCondition: options.target }),
    ...(options.priority !== undefined && { priority: options.priority }),
    ...(options.label && { labels: labelsOf(before.labels, options.label) }),
    ...(options.metric && { metrics: { queries: options.metric } }),
  };
  if (Object.keys(body).length === 0) command.error('give --target, --priority, --label or --metric', { exitCode: 2 });
  const headers = { 'if-match': `"${before.etag}"` };
  await tell(
    await callHub(folderOf(command), { method: 'PUT', path: pathOf(id), right: 'registryWrite', headers, body }),
    'is changed',
    options,
  );
}

export async function remove(id: string, options: Json, command: Command): Promise<void> {
  await callHub(folderOf(command), { method: 'DELETE', path: pathOf(id), right: 'registryWrite' });
  await print(
    options.json
      ? JSON.stringify({ id, deleted: true })
      : `${id} is deleted; gateways that had it get the next best, or keep what they have`,
  );
}

export async function metrics(id: string, options: Json, command: Command): Promise<void> {
  const { systemMetrics, metrics: own } = await read(id, command);
  if (options.json) return void (await print(JSON.stringify({ systemMetrics, metrics: own })));
  const rows = [systemMetrics, own].flatMap(({ results, queries }) =>
    Object.keys(results).map((name) => [name, String(results[name]), queries[name] ?? '']),
  );
  for (const row of table(['METRIC', 'COUNT', 'QUERY'], rows)) await print(row);
}

export async function rollout(id: string, action: string | undefined, options: Json, command: Command): Promise<void> {
  if (action !== undefined && !rolloutActions.includes(action as RolloutAction)) {
    command.error(`${action} is nothing that a rollout can do: ${rolloutActions.join(', ')}`, { exitCode: 2 });
  }
  const found =
    action === undefined
      ? await read(id, command)
      : ((await callHub(folderOf(command), {
          ...{ method: 'POST', path: `${pathOf(id)}/rollout`, right: 'registryWrite', body: { action } },
        })) as ConfigurationDocument);
  const state = found.rollout;
  if (!state) {
    const hint = `dragoman hub deployments update ${id} --label "rolloutPhases=1, 10%, 50%" makes one`;
    throw new HubError('no-rollout', `${id} has no rollout: it is for everybody of its target`, { retry: 'after-fix', hint });
  }
  if (options.json) await print(JSON.stringify(state));
  else for (const line of rolloutLines(state)) await print(line);
  // Not of one whom a person has just taken back.
  if (action === undefined && (state.status === 'stopped' || state.status === 'rolled-back')) {
    const hint = `dragoman hub deployments rollout ${id} resume | rollback`;
    throw new HubError('rollout-stopped', `the rollout of ${id} is ${state.status}: ${state.reason ?? ''}`, { retry: 'after-fix', hint });
  }
}

/** What there was, with what is given; the text `null` takes one away. */
function labelsOf(
  before: Readonly<Record<string, string>>,
  given: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries({ ...before, ...given }).filter(([, value]) => value !== 'null'));
}

async function tell(answer: unknown, what: string, options: Json): Promise<void> {
  const made = answer as ConfigurationDocument;
  if (options.json) return void (await print(JSON.stringify(made)));
  const { targetedCount } = made.systemMetrics.results;
  await print(`${made.id} ${what}: priority ${made.priority}, target ${targetOf(made)}, ${targetedCount} devices`);
  if (targetedCount === 0)
    await print('nobody is targeted: deployments are for edge devices (dragoman hub device edge ID) that meet the condition');
  if (made.rollout) await print(`rollout in ${made.rollout.phases.length} phases: ${made.rollout.phases.join(', ')}`);
}

const targetOf = ({ targetCondition }: ConfigurationDocument): string => (targetCondition === '' ? '(nobody)' : targetCondition);

const resultsOf = ({ systemMetrics, metrics: own }: ConfigurationDocument) => ({ ...systemMetrics.results, ...own.results });

function figuresOf({ systemMetrics: { results } }: ConfigurationDocument): readonly string[] {
  return ['targetedCount', 'appliedCount', 'reportedSuccessfulCount', 'reportedFailedCount'].map((name) => String(results[name] ?? '-'));
}

const rolloutOf = (state: RolloutDocument | undefined): string =>
  state === undefined ? '-' : `${state.status} ${state.status === 'done' ? '' : `${state.phase}/${state.phases.length}`}`.trim();

function rolloutLines(state: RolloutDocument): readonly string[] {
  const { status, phase, phases, targeted, admitted, succeeded, failed, pending, unreached, holding, failures, reason } = state;
  return [
    `rollout     ${status}${reason === undefined ? '' : `: ${reason}`}`,
    `phase       ${phase} of ${phases.length} (${phases.map((text, index) => (index === phase - 1 ? `[${text}]` : text)).join(', ')}), since ${state.phaseSinceUtc}`,
    `devices     ${admitted} of ${targeted}: ${succeeded} succeeded, ${failed} failed, ${pending} to report, ${unreached} not reached`,
    ...(status === 'rolled-back' && holding > 0 ? [`still on    ${holding} devices: no other deployment is for them`] : []),
    ...failures.map(({ deviceId, reason: why }) => `failed      ${deviceId}: ${why}`),
  ];
}
