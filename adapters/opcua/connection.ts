import type { NotConnectedError } from '../../model/error.ts';
import type { SampleBatch, SampleState } from '../../model/sample.ts';
import type { RawValue } from '../../model/value.ts';
import type { ConnectContext, Connection, ObservedPoint, WriteResult } from '../contract.ts';
import type { OpcuaAddress } from './address.ts';
import { withDeadline } from './deadline.ts';
import { timedOut, translateFailure } from './failures.ts';
import type { NodeId } from './library.ts';
import { readLimits } from './limits.ts';
import type { Item } from './monitoring.ts';
import { type Counters, Observation, type ObservationContext } from './observation.ts';
import { compilePart } from './part.ts';
import { Publisher } from './publisher.ts';
import { badBatch, readItems } from './reader.ts';
import { readNamespaces, resolvePlaces } from './resolve.ts';
import { openLink, type ServerLink } from './server-link.ts';
import type { OpcuaSettings } from './settings.ts';
import { Writer } from './writer.ts';

/** Opens channel and session and asks the server for its limits and namespaces. Rejects as the contract says. */
export async function connect(settings: OpcuaSettings, context: ConnectContext, signal: AbortSignal): Promise<Connection<OpcuaAddress>> {
  const link = await openLink(settings, context, signal);
  try {
    const namespaces = await readNamespaces(link.session);
    const limits = await readLimits(link.session, settings.maxNodesPerRequest);
    const view = { session: link.session, limits, writeNodeId: (nodeId: unknown) => writeNodeId(nodeId as NodeId, namespaces) };
    const publisher = new Publisher(link.session);
    const { equipment, log } = context;
    return new OpcuaConnection({ link, view, publisher, settings, counters: newCounters(), log, equipment });
  } catch (error) {
    await link[Symbol.asyncDispose]();
    throw translateFailure(error, link.peer);
  }
}

const newCounters = (): Counters => ({
  notifications: 0,
  keepAlives: 0,
  values: 0,
  lost: 0,
  silences: 0,
  refreshes: 0,
  latePolls: 0,
  badNodes: 0,
  retries: 0,
});

class OpcuaConnection implements Connection<OpcuaAddress> {
  readonly #context: ObservationContext;
  readonly #link: ServerLink;
  readonly #writer: Writer;

  constructor(context: ObservationContext) {
    this.#context = context;
    this.#link = context.link;
    this.#writer = new Writer(context.link, context.view.limits, context.settings.timeout);
  }

  observe(points: readonly ObservedPoint<OpcuaAddress>[], signal: AbortSignal): AsyncIterable<SampleBatch> {
    return new Observation(this.#context, points).run(signal);
  }

  async read(points: readonly ObservedPoint<OpcuaAddress>[], signal: AbortSignal): Promise<readonly SampleBatch[]> {
    const { settings } = this.#context;
    const late = (): NotConnectedError => timedOut(this.#link.peer, 'did not answer', settings.timeout);
    try {
      return await withDeadline(this.#readAll(points), settings.timeout, late, signal);
    } catch (error) {
      throw translateFailure(error, this.#link.peer);
    }
  }

  async #readAll(points: readonly ObservedPoint<OpcuaAddress>[]): Promise<readonly SampleBatch[]> {
    const { view } = this.#context;
    const namespaces = await readNamespaces(view.session);
    const places = await resolvePlaces(
      view.session,
      points.map(({ address }) => address.node),
      namespaces,
      view.limits,
    );
    const items: Item[] = [];
    const states = new Map<number, SampleState>();
    places.forEach(({ nodeId, bad }, index) => {
      if (nodeId) items.push({ index, point: points[index]!, nodeId, part: compilePart(points[index]!.address) });
      else states.set(index, bad);
    });
    const batches = await readItems(view, items);
    return states.size === 0 ? batches : [...batches, badBatch([...states.keys()], (index) => states.get(index)!, view)];
  }

  write(point: ObservedPoint<OpcuaAddress>, raw: RawValue, signal: AbortSignal): Promise<WriteResult> {
    return this.#writer.write(point.address, raw, signal);
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#context.counters, halvings: this.#context.view.limits.halvings };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link[Symbol.asyncDispose]();
  }
}

/** With the namespace's URI, so that it means the same after a restart. */
function writeNodeId(nodeId: NodeId, namespaces: readonly string[]): string {
  const text = nodeId.toString().replace(/^ns=\d+;/, '');
  if (nodeId.namespace === 0) return text;
  const uri = namespaces[nodeId.namespace];
  return uri === undefined ? nodeId.toString() : `nsu=${uri.replaceAll('%', '%25').replaceAll(';', '%3B')};${text}`;
}
