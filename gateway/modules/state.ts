import type { DeploymentAgent } from '../../deployments/agent/agent.ts';
import type { Manifest, ModuleSpec } from '../../deployments/contract.ts';
import { isTwinObject, type TwinObject } from '../../twin/section.ts';
import type { BrokerClient } from './broker/contract.ts';
import type { DeploymentState, ModuleRow, ModulesState } from './contract.ts';

const never = '0001-01-01T00:00:00Z';

/** `docker 20.10.24 at unix:/var/run/docker.sock`, or why there is none. */
export function engineState(engine: DeploymentAgent['engine']): Pick<ModulesState, 'engine' | 'engineProblem'> {
  if ('absence' in engine) return { engine: 'none', engineProblem: engine.absence.message };
  return { engine: `${engine.info.name} ${engine.info.version} at ${engine.at}` };
}

/** The last deployment that came, as the agent says by now: it tries again by itself, also after a restart. */
export function deploymentNow(last: DeploymentState, answer: DeploymentAgent['answer']): DeploymentState {
  if (!answer) return last;
  const { code, description } = answer.status;
  return { ...last, state: code === 200 ? 'done' : 'failed', version: answer.version ?? 0, code, description };
}

/** The modules of what `$edgeAgent` reports, and those that could not be made yet; by name. */
export function moduleRows(
  reported: TwinObject,
  clients: readonly BrokerClient[],
  wanted: Pick<Manifest, 'modules'> | undefined,
): readonly ModuleRow[] {
  const connected = new Set(clients.filter((client) => client.connected).map(({ moduleId }) => moduleId));
  const modules = isTwinObject(reported.modules) ? reported.modules : {};
  const missing = [...(wanted?.modules.values() ?? [])].filter(({ name }) => !Object.hasOwn(modules, name)).map(missingRow);
  const there = Object.entries(modules)
    .filter((entry): entry is [string, TwinObject] => isTwinObject(entry[1]))
    .map(([name, module]): ModuleRow => {
      const settings = isTwinObject(module.settings) ? module.settings : {};
      const started = module.lastStartTimeUtc;
      return {
        name,
        image: String(settings.image ?? ''),
        desired: String(module.status ?? 'gone'),
        status: String(module.runtimeStatus ?? 'unknown'),
        description: String(module.statusDescription ?? ''),
        restarts: Number(module.restartCount ?? 0),
        startedAt: typeof started === 'string' && started !== never ? started : undefined,
        connected: connected.has(name),
      };
    });
  return [...there, ...missing].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const missingRow = ({ name, image, status }: ModuleSpec): ModuleRow => ({
  ...{ name, image, desired: status, status: 'missing', restarts: 0, startedAt: undefined, connected: false },
  description: 'it could not be made yet; the deployment says why',
});

export interface HubReport {
  readonly deviceId: string;
  readonly version: { readonly version: string; readonly build: string; readonly commit: string };
  readonly desiredVersion: number | undefined;
  readonly status: { readonly code: number; readonly description: string };
  readonly clients: readonly BrokerClient[];
}

/** What `$edgeHub` reports, whole; times as far as they are known. */
export function reportedHub({ deviceId, version, desiredVersion, status, clients }: HubReport): TwinObject {
  return {
    schemaVersion: '1.2',
    version,
    ...(desiredVersion !== undefined && { lastDesiredVersion: desiredVersion }),
    lastDesiredStatus: { code: status.code, description: status.description },
    clients: Object.fromEntries(
      clients.map(({ moduleId, connected, sinceMs }) => [
        twinKey(`${deviceId}/${moduleId}`),
        {
          status: connected ? 'Connected' : 'Disconnected',
          ...(sinceMs !== undefined && {
            [connected ? 'lastConnectedTimeUtc' : 'lastDisconnectedTimeUtc']: new Date(sinceMs).toISOString(),
          }),
        },
      ]),
    ),
  };
}

/** No twin takes these characters in a key; the edge hub of Azure writes them so. */
const twinKey = (text: string): string => text.replaceAll('.', '%2E').replaceAll('$', '%24').replaceAll(' ', '%20');
