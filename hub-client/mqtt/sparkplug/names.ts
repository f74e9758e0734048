import { topicLevel } from '../topic.ts';

/** The metric that asks for births; every host knows it by this name. */
export const rebirthMetric = 'Node Control/Rebirth';

/** Topics of one edge node (Sparkplug 3.0 §4.1). */
export interface Names {
  readonly group: string;
  readonly edgeNode: string;
  nodeTopic(type: 'NBIRTH' | 'NDEATH' | 'NDATA' | 'NCMD'): string;
  /** The id of a machine is that of its device, with what a topic level may not hold percent-encoded. */
  deviceTopic(type: 'DBIRTH' | 'DDEATH' | 'DDATA', device: string): string;
  /** Commands to the node and to all its devices. */
  readonly commandFilters: readonly string[];
}

export function namesOf(group: string, edgeNode: string): Names {
  return {
    group,
    edgeNode,
    nodeTopic: (type) => `spBv1.0/${group}/${type}/${edgeNode}`,
    deviceTopic: (type, device) => `spBv1.0/${group}/${type}/${edgeNode}/${topicLevel(device)}`,
    commandFilters: [`spBv1.0/${group}/NCMD/${edgeNode}`, `spBv1.0/${group}/DCMD/${edgeNode}/+`],
  };
}

export const stateTopic = (host: string): string => `spBv1.0/STATE/${host}`;
