import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { Columns } from './columns.ts';
import { AttributeIds, type DataValue, promoteOpaqueStructure, type Session } from './library.ts';
import type { Limits } from './limits.ts';
import type { Item } from './monitoring.ts';
import type { NodeIdWriter } from './values.ts';

/** What reading and subscribing share: the session, and what was learned about the server. */
export interface ServerView {
  readonly session: Session;
  readonly limits: Limits;
  readonly writeNodeId: NodeIdWriter;
}

/** Reads each item once, now, in requests as large as the server allows; one batch for each. Rejects when the session does not answer. */
export async function readItems(view: ServerView, items: readonly Item[]): Promise<SampleBatch[]> {
  const batches: SampleBatch[] = [];
  await view.limits.inSlices('read', items, async (slice) => {
    const values = await view.session.read(
      slice.map(({ nodeId }) => ({ nodeId, attributeId: AttributeIds.Value })),
      0,
    );
    if (slice.some(({ part }) => part?.structured)) await openStructures(view.session, values);
    const columns = new Columns(slice.length, Date.now(), view.writeNodeId);
    for (const [i, { index, part }] of slice.entries()) columns.add(index, values[i]!, part);
    batches.push(columns.finish());
    return values;
  });
  return batches;
}

/** Has the library look up the types of structures that it met for the first time. A type that stays unknown is a bad value later. */
export async function openStructures(session: Session, values: readonly DataValue[]): Promise<void> {
  await promoteOpaqueStructure(session, values as DataValue[]).catch(() => {});
}

export function badBatch(points: readonly number[], state: (index: number) => SampleState, view: ServerView): SampleBatch {
  const columns = new Columns(points.length, Date.now(), view.writeNodeId);
  for (const point of points) columns.addBad(point, state(point));
  return columns.finish();
}
