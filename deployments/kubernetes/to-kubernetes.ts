import { stringify } from 'yaml';
import { GatewayError } from '../../model/error.ts';
import type { Manifest, ModuleSpec } from '../contract.ts';
import { lastOrder } from '../manifest/read-module.ts';
import { writeManifest } from '../manifest/write-manifest.ts';
import type { Target } from './from-kubernetes.ts';

/** Names in a cluster: RFC 1123. */
const clusterName = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The manifest as a Deployment with its ConfigMaps, for the virtual kubelet of IoT Edge: `fromKubernetes` gives the same manifest back.
 * Logins of registries become Secrets. Throws a GatewayError for names that a cluster does not take.
 */
export function toKubernetes(manifest: Manifest, target: Target): string {
  const wrong = [target.id, ...manifest.modules.keys(), ...manifest.runtime.registryCredentials.keys()].filter(
    (name) => !clusterName.test(name),
  );
  if (wrong.length > 0)
    throw new GatewayError('cluster-name', `a cluster does not take the names ${wrong.join(', ')}`, {
      retry: 'after-fix',
      hint: 'small letters, digits and hyphens, at most 63; rename the modules',
    });
  const { modulesContent } = writeManifest(manifest);
  const desired = (name: string): Record<string, unknown> => modulesContent[name]!['properties.desired'] as Record<string, unknown>;
  const { modules: _modules, ...agent } = desired('$edgeAgent');
  const documents = [
    deployment(manifest, target),
    configMap('edgehub', { desiredProperties: JSON.stringify(desired('$edgeHub')) }),
    configMap('edgeagent', { desiredProperties: JSON.stringify(withoutLogins(agent)) }),
    ...[...manifest.modules.values()].map((spec) => configMap(spec.name, settings(spec, manifest))),
    ...[...manifest.runtime.registryCredentials].map(([name, login]) => secret(name, login)),
  ];
  return documents.map((document) => stringify(document, { lineWidth: 0 })).join('---\n');
}

function deployment({ modules, runtime }: Manifest, { id, condition, priority, labels }: Target): object {
  const annotations = {
    isEdgeDeployment: 'true',
    ...(condition !== undefined && { targetCondition: condition }),
    priority: String(priority),
  };
  const pulls = [...runtime.registryCredentials.keys()].map((name) => ({ name }));
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: id, ...(Object.keys(labels).length > 0 && { labels }) },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: id } },
      template: {
        metadata: { labels: { app: id }, annotations },
        spec: {
          containers: [...modules.values()].map(container),
          ...(pulls.length > 0 && { imagePullSecrets: pulls }),
          nodeSelector: { type: 'virtual-kubelet' },
          tolerations: [{ key: 'virtual-kubelet.io/provider', operator: 'Equal', value: 'iotedge', effect: 'NoSchedule' }],
        },
      },
    },
  };
}

function container({ name, image, env, imagePullPolicy }: ModuleSpec): object {
  const variables = Object.entries(env).map(([variable, value]) => ({ name: variable, value }));
  return {
    ...{ name, image, imagePullPolicy: imagePullPolicy === 'never' ? 'Never' : 'IfNotPresent' },
    ...(variables.length > 0 && { env: variables }),
  };
}

/** What a pod cannot say, and the create options as they are. */
function settings(spec: ModuleSpec, { twins }: Manifest): Readonly<Record<string, string>> {
  const { name, status, restartPolicy, version, startupOrder, digest, createOptions } = spec;
  const twin = twins.get(name);
  return {
    ...{ status, restartPolicy, version },
    ...(startupOrder !== lastOrder && { startupOrder: String(startupOrder) }),
    ...(digest !== undefined && { digest }),
    createOptions: JSON.stringify(createOptions),
    ...(twin && { desiredProperties: JSON.stringify(twin) }),
  };
}

function withoutLogins(agent: Record<string, unknown>): object {
  const { settings: all, ...runtime } = agent.runtime as { settings: Record<string, unknown> };
  const { registryCredentials: _logins, ...rest } = all;
  return { ...agent, runtime: { ...runtime, settings: rest } };
}

const configMap = (name: string, data: object): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

function secret(name: string, { address, username, password }: { address: string; username: string; password: string }): object {
  const text = JSON.stringify({ auths: { [address]: { username, password } } });
  const data = { '.dockerconfigjson': Buffer.from(text).toString('base64') };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'kubernetes.io/dockerconfigjson', data };
}
