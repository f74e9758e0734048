import type { Command } from 'commander';
import type { TwinDocument } from '../core/contract.ts';
import { queryHub } from './rest-call.ts';
import { folderOf, print, toleratePipe } from './shared.ts';
import { table } from './table.ts';

/** One line of `hub devices`. */
interface DeviceLine {
  readonly deviceId: string;
  readonly status: string;
  readonly connectionState: string;
  readonly edge: boolean;
  readonly tags: object;
  /** What is in its twins. */
  readonly deployments: readonly string[];
  /** What `$edgeAgent` said last; undefined: nothing, or nothing about this version. */
  readonly lastStatus?: { readonly code: number; readonly description: string; readonly current: boolean };
}

/** `hub devices`: identities, and what each has and says. */
export async function devices(options: { readonly target?: string; readonly json?: boolean }, command: Command): Promise<void> {
  toleratePipe();
  const folder = folderOf(command);
  const where = options.target === undefined || options.target.trim() === '*' ? '' : ` WHERE ${options.target}`;
  const found = (await queryHub(folder, `SELECT * FROM devices${where}`)) as unknown as readonly TwinDocument[];
  const agents = (await queryHub(
    folder,
    "SELECT * FROM devices.modules WHERE moduleId = '$edgeAgent'",
  )) as unknown as readonly TwinDocument[];
  const agentOf = new Map(agents.map((agent) => [agent.deviceId, agent]));
  const lines = found.map((device) => lineOf(device, agentOf.get(device.deviceId)));
  if (options.json) return void (await print(JSON.stringify(lines)));
  if (lines.length === 0) {
    return void (await print(
      where === '' ? 'no devices yet; make one with: dragoman hub device create ID --edge' : 'no device meets the condition',
    ));
  }
  const rows = lines.map((line) => [line.deviceId, line.status, connectionOf(line), deploymentOf(line), saidOf(line), tagsOf(line.tags)]);
  for (const row of table(['DEVICE', 'STATUS', 'CONNECTION', 'DEPLOYMENT', 'LAST STATUS', 'TAGS'], rows)) if (!(await print(row))) return;
}

function lineOf(device: TwinDocument, agent: TwinDocument | undefined): DeviceLine {
  const { deviceId, status, connectionState, tags, capabilities } = device;
  const statuses = Object.entries({ ...device.configurations, ...agent?.configurations });
  const lastStatus = agent && lastStatusOf(agent);
  return {
    ...{ deviceId, status, tags, edge: capabilities?.iotEdge ?? false },
    connectionState: agent?.connectionState === 'Connected' ? 'Connected' : connectionState,
    deployments: statuses.filter((entry) => entry[1].status === 'Applied').map(([id]) => id),
    ...(lastStatus && { lastStatus }),
  };
}

function lastStatusOf({ properties: { desired, reported } }: TwinDocument): DeviceLine['lastStatus'] {
  const said = reported.lastDesiredStatus as { code?: number; description?: string } | undefined;
  if (said?.code === undefined) return undefined;
  return { code: said.code, description: said.description ?? '', current: reported.lastDesiredVersion === desired.$version };
}

const connectionOf = ({ connectionState }: DeviceLine): string => (connectionState === 'Connected' ? 'connected' : '-');

function deploymentOf({ deployments, edge }: DeviceLine): string {
  if (deployments.length > 0) return deployments.join(' + ');
  return edge ? '-' : '- (no edge device)';
}

function saidOf({ lastStatus }: DeviceLine): string {
  if (!lastStatus) return '-';
  const text = lastStatus.code === 200 ? '200' : `${lastStatus.code} ${lastStatus.description}`.trim();
  return lastStatus.current ? text : `${text} (of an older version)`;
}

/** `site=leeds line.number=7`. */
function tagsOf(tags: object, prefix = ''): string {
  return Object.entries(tags)
    .map(([key, value]) => (typeof value === 'object' && value !== null ? tagsOf(value, `${prefix}${key}.`) : `${prefix}${key}=${value}`))
    .join(' ');
}
