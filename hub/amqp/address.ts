/** What a link of the service plane is attached to. */
export type Node =
  | { readonly kind: 'cbs' }
  /** Cloud-to-device messages go in. */
  | { readonly kind: 'commands' }
  /** What became of them comes out. */
  | { readonly kind: 'feedback' }
  /** Nothing ever comes out: this hub stores no files. */
  | { readonly kind: 'files' }
  | { readonly kind: 'management' }
  | { readonly kind: 'events'; readonly group: string; readonly partition: string };

/** `EntityPath` of the events endpoint, and what stands for it on the hub's own address. */
export const eventHubName = 'events';
const entities = [eventHubName, 'messages/events'];

const fixed: Readonly<Record<string, Node['kind'] & ('cbs' | 'commands' | 'feedback' | 'files' | 'management')>> = {
  $cbs: 'cbs',
  'messages/devicebound': 'commands',
  'messages/servicebound/feedback': 'feedback',
  'messages/servicebound/filenotifications': 'files',
  $management: 'management',
  ...Object.fromEntries(entities.map((entity) => [`${entity}/$management`, 'management'])),
};

/** The node of an address, with or without a slash at its start or the `amqps://host/` before it; undefined when there is none. */
export function nodeOf(address: string): Node | undefined {
  const path = pathOf(address);
  const kind = fixed[path.toLowerCase()];
  if (kind) return { kind };
  const [, entity, group, partition] = /^(.+)\/ConsumerGroups\/([^/]+)\/Partitions\/([^/]+)$/i.exec(path) ?? [];
  if (!entity || !group || !partition || !entities.includes(entity.toLowerCase())) return undefined;
  return { kind: 'events', group, partition };
}

/** The segments that a token must be for. */
export const resourceOf = (address: string): readonly string[] => pathOf(address).split('/');

const pathOf = (address: string): string => address.replace(/^amqps?:\/\/[^/]*/i, '').replace(/^\/+|\/+$/g, '');
