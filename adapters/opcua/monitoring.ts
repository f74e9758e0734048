import type { SampleState } from '../../model/sample.ts';
import type { ObservedPoint } from '../contract.ts';
import type { OpcuaAddress } from './address.ts';
import { stateOf } from './columns.ts';
import {
  AttributeIds,
  DataChangeFilter,
  DataChangeTrigger,
  MonitoringMode,
  type NodeId,
  type Session,
  TimestampsToReturn,
} from './library.ts';
import type { Limits } from './limits.ts';
import type { Part } from './part.ts';

/** One subscription on the server, as the server revised it. Times in milliseconds. */
export interface Subscription {
  readonly id: number;
  readonly publishingMs: number;
  /** Longest silence between two messages while all is well. */
  readonly keepAliveMs: number;
  /** Shortest `staleAfter` of its points. */
  readonly staleMs: number;
}

/** A point with its node; `index` is its place among the observed ones, and its client handle. */
export interface Item {
  readonly index: number;
  readonly point: ObservedPoint<OpcuaAddress>;
  readonly nodeId: NodeId;
  readonly part: Part | undefined;
}

/** Messages come at least this often, in parts of the shortest `staleAfter`: one may be late and nothing is stale yet. */
const keepAliveShare = 0.5;
/** How long the server keeps a subscription that nobody asks for, in ms; more than any pause of ours, less than a lost client may cost. */
const lifetimeMs = 60_000;
/** Samples kept beyond the publishing interval, which stretches when server or network are busy. Twice the interval and two more. */
const queueMargin = 2;
/** Bounds one message; a server with more to say sends several. */
const mostNotifications = 10_000;

/** Creates a subscription whose keep-alives come in time for the points' `staleAfter`, however the server revises the wish. */
export async function createSubscription(session: Session, publishingMs: number, staleMs: number): Promise<Subscription> {
  const wish = (intervalMs: number, count: number) => ({
    requestedPublishingInterval: intervalMs,
    requestedMaxKeepAliveCount: count,
    requestedLifetimeCount: Math.max(count * 3, Math.ceil(lifetimeMs / intervalMs)),
    maxNotificationsPerPublish: mostNotifications,
  });
  const goalMs = staleMs * keepAliveShare;
  const interval = Math.min(publishingMs, goalMs);
  const created = await session.createSubscription({
    ...wish(interval, Math.max(1, Math.floor(goalMs / interval))),
    publishingEnabled: true,
    priority: 1,
  });
  const id = created.subscriptionId;
  let revised = { intervalMs: created.revisedPublishingInterval, count: created.revisedMaxKeepAliveCount };
  if (revised.intervalMs * revised.count > goalMs) {
    // Some servers allow no count of 1. A shorter interval with their count then brings the keep-alives in time.
    const shorter = goalMs / revised.count;
    revised = await modify(session, id, wish(shorter, revised.count));
  }
  return { id, publishingMs: revised.intervalMs, keepAliveMs: revised.intervalMs * revised.count, staleMs };
}

async function modify(session: Session, subscriptionId: number, wish: object): Promise<{ intervalMs: number; count: number }> {
  const answer = await session.modifySubscription({ subscriptionId, ...wish, priority: 1 });
  return { intervalMs: answer.revisedPublishingInterval, count: answer.revisedMaxKeepAliveCount };
}

export async function deleteSubscriptions(session: Session, ids: readonly number[]): Promise<void> {
  await session.deleteSubscriptions({ subscriptionIds: [...ids] });
}

export interface Monitored {
  /** Why the server does not watch the node; undefined when it does. */
  readonly bad: SampleState | undefined;
  readonly samplingMs: number;
}

/** Has the server watch the items, in requests as large as it allows; one answer for each item. */
export async function monitor(session: Session, subscription: Subscription, items: readonly Item[], limits: Limits): Promise<Monitored[]> {
  return limits.inSlices('monitor', items, async (slice) => {
    const answer = await session.createMonitoredItems({
      subscriptionId: subscription.id,
      timestampsToReturn: TimestampsToReturn.Both,
      itemsToCreate: slice.map((item) => wishOf(item, subscription)),
    });
    return (answer.results ?? []).map((result) => ({
      bad: stateOf(badCode(result.statusCode.value)),
      samplingMs: result.revisedSamplingInterval,
    }));
  });
}

/** An item is there when its code says Good, whatever the info bits. */
const badCode = (code: number): number => (code >>> 30 === 0 ? 0 : code >>> 0);

function wishOf({ index, point, nodeId }: Item, { publishingMs }: Subscription) {
  const { address, everyMs } = point;
  const samplingInterval = address.samplingIntervalMs ?? everyMs;
  const needed = samplingInterval === 0 ? 10 : Math.ceil(publishingMs / samplingInterval) * 2 + queueMargin;
  return {
    itemToMonitor: { nodeId, attributeId: AttributeIds.Value },
    monitoringMode: MonitoringMode.Reporting,
    requestedParameters: {
      clientHandle: index,
      samplingInterval,
      discardOldest: address.discard !== 'newest',
      queueSize: address.queueSize ?? needed,
      ...(address.trigger && { filter: new DataChangeFilter({ trigger: triggers[address.trigger] }) }),
    },
  };
}

const triggers = {
  status: DataChangeTrigger.Status,
  value: DataChangeTrigger.StatusValue,
  timestamp: DataChangeTrigger.StatusValueTimestamp,
} as const;

/** Points that one subscription carries. */
export interface Group {
  readonly publishingMs: number;
  readonly staleMs: number;
  readonly items: readonly Item[];
}

/** One subscription for each publishing interval. */
export function groupsOf(items: readonly Item[], publishingMs: number | undefined): Group[] {
  return [...Map.groupBy(items, ({ point }) => publishingMs ?? point.everyMs)].map(([interval, group]) => ({
    publishingMs: interval,
    staleMs: group.reduce((least, { point }) => Math.min(least, point.staleAfterMs), Number.POSITIVE_INFINITY),
    items: group,
  }));
}
