import type { Problem } from '../../model/problem.ts';
import type { TwinObject } from '../../twin/section.ts';
import type { Manifest } from '../contract.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { createOptionsOf } from './container.ts';
import { type Documents, type Group, isGroup, readDocuments, type Spot } from './documents.ts';
import { credentialsOf, environmentOf } from './secrets.ts';

/** For which gateways a deployment is; for a hub that hands it out. */
export interface Target {
  readonly id: string;
  /** Undefined: nobody has said. */
  readonly condition: string | undefined;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface FromKubernetes {
  readonly manifest?: Manifest;
  readonly target?: Target;
  readonly problems: readonly Problem[];
}

const builtIn = { type: 'docker', settings: { image: 'built-in', createOptions: '{}' } };
const restartPolicies: Readonly<Record<string, string>> = { Always: 'always', OnFailure: 'on-failure', Never: 'never' };
/** Of a pod; those that only place it in a cluster mean nothing here and are no mistake. */
const podKeys = ['containers', 'volumes', 'imagePullSecrets', 'restartPolicy', 'hostNetwork'];
const placing = [
  'nodeSelector',
  'tolerations',
  'affinity',
  'schedulerName',
  'terminationGracePeriodSeconds',
  'dnsPolicy',
  'priorityClassName',
];
const containerKeys = [
  ...['name', 'image', 'imagePullPolicy', 'command', 'args', 'workingDir', 'env', 'ports', 'volumeMounts', 'resources'],
  ...['livenessProbe', 'readinessProbe', 'securityContext'],
];

/**
 * One Deployment (or Pod) with its ConfigMaps and Secrets as a deployment manifest, as the virtual kubelet of IoT Edge has it: a container is
 * a module, the ConfigMap of its name has what a pod cannot say, `edgehub` has the routes. What is not carried over is said.
 */
export function fromKubernetes(file: string, text: string): FromKubernetes {
  const problems: Problem[] = [];
  const documents = readDocuments(file, text, problems);
  const [workload, second] = documents.workloads;
  if (second) second.error('one-deployment', 'the file has a second Deployment', 'a gateway runs one; put the containers of both into one');
  if (!workload) {
    if (problems.length === 0)
      problems.push({
        file,
        line: 1,
        column: 1,
        severity: 'error',
        rule: 'no-deployment',
        message: 'the file has no Deployment and no Pod',
      });
    return { problems };
  }
  const pod = workload.group.kind === 'Pod' ? workload : workload.at('spec', 'template');
  const { content, containers } = contentOf(pod, documents);
  const target = targetOf(workload, pod);
  const read = readManifest({ modulesContent: content });
  for (const problem of read.problems) {
    const module = problem.keys.find((key) => containers.has(String(key)));
    const spot =
      module === undefined
        ? (problem.path.includes('$edgeHub') && documents.configMaps.get('edgehub')) || pod
        : containers.get(String(module))!;
    const say = problem.severity === 'error' ? spot.error : spot.warn;
    say.call(spot, problem.rule, problem.message, problem.hint);
  }
  const failed = problems.some(({ severity }) => severity === 'error');
  return { ...(!failed && read.manifest && { manifest: read.manifest }), target, problems };
}

function contentOf(pod: Spot, documents: Documents): { content: TwinObject; containers: ReadonlyMap<string, Spot> } {
  const spec = pod.at('spec');
  spec.only([...podKeys, ...placing]);
  const volumes = new Map(spec.each('volumes').map((volume) => [volume.at('name').text() ?? '', volume]));
  const containers = new Map<string, Spot>();
  const modules: Record<string, unknown> = {};
  const twins: Record<string, unknown> = {};
  for (const container of spec.each('containers')) {
    const name = container.at('name').text();
    if (name === undefined) {
      container.error('missing-key', 'name is missing');
      continue;
    }
    containers.set(name, container);
    container.only(containerKeys);
    const settings = documents.configMaps.get(name)?.at('data');
    modules[name] = moduleOf(container, spec, volumes, settings, documents);
    const desired = settings?.at('desiredProperties').json();
    if (desired) twins[name] = { 'properties.desired': desired };
  }
  if (containers.size === 0) spec.error('missing-key', 'the pod has no containers', 'each container becomes a module', 'key');
  const hub = documents.configMaps.get('edgehub')?.at('data', 'desiredProperties').json() ?? {};
  const agent = documents.configMaps.get('edgeagent')?.at('data', 'desiredProperties').json() ?? {};
  const content = {
    $edgeAgent: { 'properties.desired': agentOf(agent, modules, credentialsOf(spec, documents)) },
    $edgeHub: { 'properties.desired': { schemaVersion: '1.1', routes: { route: 'FROM /messages/* INTO $upstream' }, ...hub } },
    ...twins,
  };
  return { content: content as TwinObject, containers };
}

function agentOf(agent: Group, modules: Group, credentials: Group): Group {
  const runtime = isGroup(agent.runtime) && isGroup(agent.runtime.settings) ? agent.runtime.settings : {};
  const known = isGroup(runtime.registryCredentials) ? runtime.registryCredentials : {};
  const registryCredentials = { ...known, ...credentials };
  const system = isGroup(agent.systemModules) ? agent.systemModules : {};
  const one = (name: string): Group => ({ ...builtIn, ...(isGroup(system[name]) && system[name]) });
  return {
    schemaVersion: agent.schemaVersion ?? '1.1',
    runtime: { type: 'docker', settings: { ...runtime, ...(Object.keys(registryCredentials).length > 0 && { registryCredentials }) } },
    systemModules: { edgeAgent: one('edgeAgent'), edgeHub: one('edgeHub') },
    modules,
  };
}

function moduleOf(
  container: Spot,
  spec: Spot,
  volumes: ReadonlyMap<string, Spot>,
  settings: Spot | undefined,
  documents: Documents,
): Group {
  const own = settings?.at('createOptions').json() ?? {};
  const options = merged(createOptionsOf(container, volumes), own);
  if (spec.group.hostNetwork === true)
    options.HostConfig = merged({ NetworkMode: 'host' }, isGroup(options.HostConfig) ? options.HostConfig : {});
  const text = (key: string): string | undefined => settings?.at(key).text();
  const order = text('startupOrder');
  const restartPolicy = text('restartPolicy') ?? restartPolicies[String(spec.group.restartPolicy)] ?? 'on-unhealthy';
  const digest = text('digest');
  return {
    version: text('version') ?? '1.0',
    type: 'docker',
    status: text('status') ?? 'running',
    restartPolicy,
    imagePullPolicy: container.group.imagePullPolicy === 'Never' ? 'never' : 'on-create',
    ...(order !== undefined && { startupOrder: Number(order) }),
    env: environmentOf(container, documents),
    settings: { image: container.at('image').value, ...(digest !== undefined && { digest }), createOptions: options },
  };
}

/** What the ConfigMap says is meant as it stands; lists of both are joined. */
function merged(derived: Group, own: Group): Record<string, unknown> {
  const result: Record<string, unknown> = { ...derived };
  for (const [key, value] of Object.entries(own)) {
    const before = result[key];
    if (isGroup(before) && isGroup(value)) result[key] = merged(before, value);
    else if (Array.isArray(before) && Array.isArray(value)) result[key] = [...new Set([...before, ...value])];
    else result[key] = value;
  }
  return result;
}

function targetOf(workload: Spot, pod: Spot): Target {
  const annotations = { ...workload.at('metadata', 'annotations').group, ...pod.at('metadata', 'annotations').group };
  const replicas = workload.at('spec', 'replicas');
  if (typeof replicas.value === 'number' && replicas.value > 1)
    replicas.warn('not-carried', `replicas: ${replicas.value} is not carried over`, 'each gateway of the target runs one of each module');
  const labels = Object.entries(workload.at('metadata', 'labels').group).map(([key, value]) => [key, String(value)] as const);
  const priority = Number(annotations.priority ?? 10);
  if (!Number.isInteger(priority)) pod.error('priority', `the annotation priority is a whole number, not ${String(annotations.priority)}`);
  return {
    id: String(workload.at('metadata', 'name').value ?? 'deployment'),
    condition: typeof annotations.targetCondition === 'string' ? annotations.targetCondition : undefined,
    priority,
    labels: Object.fromEntries(labels),
  };
}
