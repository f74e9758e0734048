import type { ContentKind } from './contract.ts';
import type { Target } from './target.ts';

/** The queries behind the system metrics, as the service shows them; other kinds than deployments have the first two. */
export function systemQueries(id: string, kind: ContentKind, { where }: Target): Readonly<Record<string, string>> {
  const status = `configurations.[[${id}]].status = 'Applied'`;
  const condition = where === undefined ? 'false' : where;
  if (kind === 'device' || kind === 'module') {
    const from = kind === 'device' ? 'SELECT deviceId FROM devices' : 'SELECT deviceId, moduleId FROM devices.modules';
    return { targetedCount: condition === '' ? from : `${from} WHERE ${condition}`, appliedCount: `${from} WHERE ${status}` };
  }
  const applied = `SELECT deviceId FROM devices.modules WHERE moduleId = '$edgeAgent' AND ${status}`;
  const current = 'properties.desired.$version = properties.reported.lastDesiredVersion';
  const behind = 'properties.desired.$version != properties.reported.lastDesiredVersion';
  const code = 'properties.reported.lastDesiredStatus.code';
  return {
    targetedCount: `SELECT deviceId FROM devices WHERE capabilities.iotEdge = true${condition === '' ? '' : ` AND (${condition})`}`,
    appliedCount: applied,
    reportedSuccessfulCount: `${applied} AND ${current} AND ${code} = 200`,
    reportedFailedCount: `${applied} AND (${behind} OR ${code} != 200)`,
  };
}
