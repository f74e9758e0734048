import { decodePayload, type Metric, type SparkplugPayload, SparkplugPayloadError } from '../../../encodings/sparkplug/payload.ts';
import { nearest } from '../../../mappings/nearest.ts';
import { statuses } from '../../../model/status.ts';
import type { Batches } from '../batches.ts';
import type { Packet } from '../inbox.ts';
import type { Machines, Target } from '../machines.ts';
import { parseFilter } from '../topic.ts';
import { TopicTree } from '../topic-tree.ts';
import { flatten, readMetric } from './metric.ts';
import { type KnownMetric, type MetricPoint, MetricSource } from './source.ts';
import { namespace, parseSparkplugTopic, type SparkplugTopic } from './topic.ts';

/** One edge node as we know it since its birth. */
interface Node {
  readonly group: string;
  readonly name: string;
  readonly label: string;
  readonly own: MetricSource;
  readonly devices: Map<string, MetricSource>;
  /** Aliases are unique over the whole node (Sparkplug 3.0 §6.4.6). */
  readonly aliases: Map<bigint, KnownMetric>;
  /** Number of the last message; undefined: not known yet. */
  seq: number | undefined;
  bdSeq: bigint | undefined;
}

export interface HostParts {
  readonly points: readonly MetricPoint[];
  readonly machines: Machines;
  /** A node must be born anew before it can be understood. */
  readonly askRebirth: (group: string, node: string) => void;
  readonly onBirth: (group: string, node: string) => void;
}

/** More nodes, or devices of one node, than this are not followed. */
const maxNodes = 10_000;

/** What a Sparkplug host application knows: births give names, aliases and types, data refers to them, deaths end them. */
export class SparkplugHost {
  readonly #parts: HostParts;
  readonly #tree = new TopicTree<MetricPoint>();
  readonly #nodes = new Map<string, Node>();

  constructor(parts: HostParts) {
    this.#parts = parts;
    for (const point of parts.points) this.#tree.add(parseFilter(point.topic), point);
  }

  /** Takes a message of a node or device; false for any other topic. */
  take({ topic, payload, receivedMs, retain }: Packet, batches: Batches): boolean {
    const parsed = parseSparkplugTopic(topic);
    if (!parsed) return false;
    // Nothing of Sparkplug is retained (§6.4); what a careless publisher retained is of another time.
    if (retain) return true;
    const node = this.#node(parsed);
    if (!node) {
      batches.lose(`more than ${maxNodes} Sparkplug nodes; this one has no room`);
      return true;
    }
    try {
      this.#message(node, parsed, decodePayload(payload), receivedMs, batches);
    } catch (error) {
      if (!(error instanceof SparkplugPayloadError)) throw error;
      batches.lose(`a message on ${topic}: ${error.message}`);
      this.#parts.askRebirth(node.group, node.name);
    }
    return true;
  }

  /** Nodes that gave no sign of life yet, of those that were named in full. */
  isBorn(group: string, node: string): boolean {
    return this.#nodes.get(`${group}/${node}`)?.own.born === true;
  }

  /** Goes on where another one was, for other points of the same connection: nodes are not born anew because a mapping was edited. */
  adopt(before: SparkplugHost, batches: Batches): void {
    for (const old of before.#nodes.values()) {
      const node = this.#node({ group: old.group, type: 'NDATA', node: old.name, device: undefined });
      if (!node) continue;
      node.seq = old.seq;
      node.bdSeq = old.bdSeq;
      const renewed = new Map<KnownMetric, KnownMetric>();
      const carryOver = (from: MetricSource, to: MetricSource | undefined): void => {
        if (!to) return;
        to.born = from.born;
        for (const [name, known] of from.metrics) {
          const again = to.know(name, known.datatype);
          again.live = known.live;
          to.metrics.set(name, again);
          renewed.set(known, again);
          say(again, batches);
        }
        if (to.born) missing(to, to.wanted, Date.now(), batches);
      };
      carryOver(old.own, node.own);
      for (const [name, device] of old.devices) carryOver(device, this.#device(node, name));
      for (const [alias, known] of old.aliases) {
        const again = renewed.get(known);
        if (again) node.aliases.set(alias, again);
      }
    }
  }

  #node({ group, node: name }: SparkplugTopic): Node | undefined {
    const label = `${group}/${name}`;
    const known = this.#nodes.get(label);
    if (known) return known;
    if (this.#nodes.size >= maxNodes) return undefined;
    const node: Node = {
      group,
      name,
      label,
      own: this.#source(`${namespace}/${group}/NDATA/${name}`, label),
      devices: new Map(),
      aliases: new Map(),
      seq: undefined,
      bdSeq: undefined,
    };
    this.#nodes.set(label, node);
    return node;
  }

  #source(topic: string, label: string): MetricSource {
    const points = this.#tree.match(topic).map(({ entry, captures }) => ({ point: entry, captures }));
    return new MetricSource(label, points, this.#parts.machines);
  }

  #device(node: Node, name: string): MetricSource | undefined {
    const known = node.devices.get(name);
    if (known || node.devices.size >= maxNodes) return known;
    const source = this.#source(`${namespace}/${node.group}/DDATA/${node.name}/${name}`, `${node.label}/${name}`);
    node.devices.set(name, source);
    return source;
  }

  #message(node: Node, { type, device }: SparkplugTopic, payload: SparkplugPayload, receivedMs: number, batches: Batches): void {
    const source = device === undefined ? node.own : this.#device(node, device);
    if (!source) return;
    switch (type) {
      case 'NBIRTH':
        node.seq = payload.seq === undefined ? undefined : Number(payload.seq);
        node.bdSeq = bdSeqOf(payload);
        node.aliases.clear();
        for (const each of node.devices.values()) each.born = false;
        this.#parts.onBirth(node.group, node.name);
        this.#birth(node, source, payload, receivedMs, batches);
        return;
      case 'NDEATH':
        this.#nodeDeath(node, payload, receivedMs, batches);
        return;
      case 'DBIRTH':
        this.#follow(node, payload, batches);
        this.#birth(node, source, payload, receivedMs, batches);
        return;
      case 'DDEATH': {
        this.#follow(node, payload, batches);
        source.born = false;
        const timeMs = timeOf(payload.timestamp, receivedMs);
        const reason = `the node ${node.label} lost its device ${device} (DDEATH at ${new Date(timeMs).toISOString()})`;
        source.spoil({ status: statuses.BadNoCommunication, reason }, timeMs, batches);
        return;
      }
      default:
        this.#follow(node, payload, batches);
        this.#data(node, source, payload, receivedMs, batches);
    }
  }

  /** Numbers rise by one over node and devices together, from 255 to 0 (§6.4.2). */
  #follow(node: Node, { seq }: SparkplugPayload, batches: Batches): void {
    if (seq === undefined) return;
    const number = Number(seq);
    if (node.seq !== undefined) {
      const missing = (number - node.seq - 1) & 0xff;
      if (missing > 0) {
        batches.lose(`messages of the Sparkplug node ${node.label} are missing`, missing);
        this.#parts.askRebirth(node.group, node.name);
      }
    }
    node.seq = number;
  }

  #birth(node: Node, source: MetricSource, payload: SparkplugPayload, receivedMs: number, batches: Batches): void {
    const before = source.metrics;
    const metrics = new Map<string, KnownMetric>();
    source.born = true;
    for (const metric of flatten(payload.metrics, ({ name }) => name)) {
      if (metric.name === undefined || metric.name === '') continue;
      const known = source.know(metric.name, metric.datatype);
      metrics.set(metric.name, known);
      if (metric.alias !== undefined) node.aliases.set(metric.alias, known);
      this.#sample(known, metric, payload, receivedMs, batches);
    }
    source.metrics = metrics;
    const absent = new Map([...before].map(([name, { targets }]) => [name, targets]));
    for (const [name, targets] of source.wanted) absent.set(name, targets);
    missing(source, absent, timeOf(payload.timestamp, receivedMs), batches);
  }

  #data(node: Node, source: MetricSource, payload: SparkplugPayload, receivedMs: number, batches: Batches): void {
    if (!source.born) {
      batches.lose(`data of ${source.label} came before its Sparkplug birth`, payload.metrics.length);
      this.#parts.askRebirth(node.group, node.name);
      return;
    }
    const knownOf = ({ alias, name }: Metric): KnownMetric | undefined =>
      name !== undefined && name !== '' ? source.metrics.get(name) : alias === undefined ? undefined : node.aliases.get(alias);
    let unknown = 0;
    const overtaken = new Set<KnownMetric>();
    for (const metric of flatten(payload.metrics, (each) => knownOf(each)?.name)) {
      const known = knownOf(metric);
      if (!known) unknown++;
      else if (this.#sample(known, metric, payload, receivedMs, batches)) overtaken.add(known);
    }
    // What a node caught up with must not stay as the latest: the newer value that is known is said again behind it.
    for (const known of overtaken) say(known, batches);
    if (unknown === 0) return;
    batches.lose(`${source.label} sent metrics that its Sparkplug birth did not name`, unknown);
    this.#parts.askRebirth(node.group, node.name);
  }

  /** True when it is historical and older than the newest value. */
  #sample(known: KnownMetric, metric: Metric, payload: SparkplugPayload, receivedMs: number, batches: Batches): boolean {
    const timeMs = timeOf(metric.timestamp ?? payload.timestamp, receivedMs);
    const { live } = known;
    const isOld = metric.isHistorical === true;
    if (!isOld) known.live = { metric, timeMs };
    add(known, metric, timeMs, batches);
    return isOld && live !== undefined && live.timeMs > timeMs;
  }

  /** The will of a connection that was replaced may come late: its bdSeq is not that of the birth (§6.4.5). */
  #nodeDeath(node: Node, payload: SparkplugPayload, receivedMs: number, batches: Batches): void {
    const bdSeq = bdSeqOf(payload);
    if (bdSeq !== undefined && node.bdSeq !== undefined && bdSeq !== node.bdSeq) return;
    node.seq = undefined;
    // The broker publishes the will; a time in it is that of the connect.
    const reason = `the Sparkplug node ${node.label} is gone (NDEATH at ${new Date(receivedMs).toISOString()})`;
    for (const source of [node.own, ...node.devices.values()]) {
      source.born = false;
      source.spoil({ status: statuses.BadNoCommunication, reason }, receivedMs, batches);
    }
  }
}

function add({ targets, datatype }: KnownMetric, metric: Metric, timeMs: number, batches: Batches): void {
  if (targets.length === 0) return;
  const { value, state, type } = readMetric(metric, datatype);
  for (const target of targets) batches.add(target, value, state, type, timeMs);
}

/** Says again what it said last. */
function say(known: KnownMetric, batches: Batches): void {
  if (known.live) add(known, known.live.metric, known.live.timeMs, batches);
}

/** Points whose metric the birth does not name: a mistake in the mapping, or a node that was rebuilt. */
function missing(source: MetricSource, points: ReadonlyMap<string, readonly Target[]>, timeMs: number, batches: Batches): void {
  for (const [name, targets] of points) {
    if (source.metrics.has(name)) continue;
    const near = nearest(name, source.metrics.keys());
    const reason = `the birth of ${source.label} has no metric "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}`;
    for (const target of targets)
      if (target.index >= 0) batches.add(target, undefined, { status: statuses.BadNotFound, reason }, undefined, timeMs);
  }
}

function bdSeqOf({ metrics }: SparkplugPayload): bigint | undefined {
  const value = metrics.find(({ name }) => name === 'bdSeq')?.value;
  return typeof value === 'bigint' || typeof value === 'number' ? BigInt(value) : undefined;
}

/** A time beyond what a clock can show is none. */
function timeOf(timestamp: bigint | undefined, receivedMs: number): number {
  return timestamp === undefined || timestamp > 253_402_300_799_999n ? receivedMs : Number(timestamp);
}
