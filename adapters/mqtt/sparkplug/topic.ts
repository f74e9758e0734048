import { parseFilter, type TopicFilter } from '../topic.ts';

/** Sparkplug 3.0 §4.1: `spBv1.0/GROUP/TYPE/NODE[/DEVICE]`. */
export const namespace = 'spBv1.0';

export const messageTypes = ['NBIRTH', 'NDEATH', 'NDATA', 'DBIRTH', 'DDEATH', 'DDATA'] as const;
export type MessageType = (typeof messageTypes)[number];

/** A topic on which a node or device says something of itself. */
export interface SparkplugTopic {
  readonly group: string;
  readonly type: MessageType;
  readonly node: string;
  /** Given with the three that begin with D. */
  readonly device: string | undefined;
}

/** Undefined for what is not a message of a node or device: commands, STATE, other namespaces. */
export function parseSparkplugTopic(topic: string): SparkplugTopic | undefined {
  const [first, group, type, node, device, ...more] = topic.split('/');
  if (first !== namespace || more.length > 0 || !group || !node) return undefined;
  if (!(messageTypes as readonly (string | undefined)[]).includes(type)) return undefined;
  if (type!.startsWith('D') !== (device !== undefined) || device === '') return undefined;
  return { group, type: type as MessageType, node, device };
}

/** What is wrong with the topic of a Sparkplug point, or undefined. */
export function sparkplugTopicProblem(text: string): { readonly message: string; readonly hint: string } | undefined {
  const { levels, subscription } = parseFilter(text);
  const hint = `Write ${namespace}/GROUP/+/NODE for metrics of the node, ${namespace}/GROUP/+/NODE/DEVICE for those of a device; each may be a placeholder`;
  if (subscription.startsWith('$share/')) return { message: 'a shared subscription would see only some of the messages of a node', hint };
  const [first, , type] = levels;
  if (first?.kind !== 'text' || first.text !== namespace || type?.kind !== 'any' || levels.length < 4 || levels.length > 5) {
    return { message: `"${text}" is not the topic of a Sparkplug node or device`, hint };
  }
  return levels.some(({ kind }) => kind === 'rest') ? { message: `# in "${text}" mixes node and devices`, hint } : undefined;
}

/** All messages of the nodes that a point's topic stands for: sequence numbers run over a node and its devices together (§6.4.2). */
export function nodeSubscription(filter: TopicFilter): string {
  const [, group, , node] = filter.subscription.split('/');
  return `${namespace}/${group}/+/${node}/#`;
}

/** The node that a topic names without wildcards; undefined where any node may come. */
export function namedNode(filter: TopicFilter): { readonly group: string; readonly node: string } | undefined {
  const [, group, , node] = filter.levels;
  return group?.kind === 'text' && node?.kind === 'text' ? { group: group.text, node: node.text } : undefined;
}
