import type { SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import { AttributeIds, BrowsePath, type NodeId, resolveNodeId, type Session } from './library.ts';
import type { Limits } from './limits.ts';
import { type BrowsePathText, formatNodeText, type NodeIdText, type NodeText } from './node-text.ts';

/** Where a value is on the server as it runs now; indexes are of this connection alone. */
export type Place = { readonly nodeId: NodeId; readonly bad?: undefined } | { readonly nodeId?: undefined; readonly bad: SampleState };

const namespaceArray = 'i=2255';
const objectsFolder = 'i=85';
const hierarchicalReferences = 'i=33';

export async function readNamespaces(session: Session): Promise<readonly string[]> {
  const answer = await session.read({ nodeId: namespaceArray, attributeId: AttributeIds.Value });
  const uris: unknown = answer.value?.value;
  if (!Array.isArray(uris)) throw new Error(`the server does not list its namespaces (${answer.statusCode.name})`);
  return uris.map(String);
}

/** Finds each node by its namespace URI or its browse path. One that is not there is bad with a reason; the others go on. */
export async function resolvePlaces(
  session: Session,
  texts: readonly NodeText[],
  namespaces: readonly string[],
  limits: Limits,
): Promise<Place[]> {
  const places: Place[] = new Array(texts.length);
  const paths: { readonly index: number; readonly text: BrowsePathText }[] = [];
  texts.forEach((text, index) => {
    if (text.kind === 'id') places[index] = byId(text, namespaces);
    else paths.push({ index, text });
  });
  const found = await resolvePaths(
    session,
    paths.map(({ text }) => text),
    namespaces,
    limits,
  );
  paths.forEach(({ index }, i) => {
    places[index] = found[i]!;
  });
  return places;
}

function byId({ namespace, id }: NodeIdText, namespaces: readonly string[]): Place {
  const index = typeof namespace === 'number' ? namespace : namespaces.indexOf(namespace);
  if (typeof namespace === 'string' && index < 0) return { bad: namespaceMissing(namespace, namespaces) };
  if (index >= namespaces.length) {
    return {
      bad: {
        status: statuses.BadNodeIdUnknown,
        reason: `namespace index ${index} is not on this server; it has ${namespaces.length} namespaces`,
      },
    };
  }
  return { nodeId: resolveNodeId(`ns=${index};${id}`) };
}

function namespaceMissing(uri: string, namespaces: readonly string[]): SampleState {
  const offered = namespaces.slice(1, 9).join(', ');
  return {
    status: statuses.BadNodeIdUnknown,
    reason: `namespace ${uri} is not on this server; it offers ${offered || 'only its own'}${namespaces.length > 9 ? ', …' : ''}`,
  };
}

/** One way to read a path whose first names carry no namespace: with the namespace of that index. */
interface Reading {
  readonly path: number;
  readonly steps: readonly { readonly namespaceIndex: number; readonly name: string }[];
}

async function resolvePaths(
  session: Session,
  paths: readonly BrowsePathText[],
  namespaces: readonly string[],
  limits: Limits,
): Promise<Place[]> {
  const readings: Reading[] = [];
  const places: (Place | undefined)[] = new Array(paths.length).fill(undefined);
  paths.forEach((path, index) => {
    const missing = path.steps.find((step) => step.namespace !== undefined && !namespaces.includes(step.namespace));
    if (missing) places[index] = { bad: namespaceMissing(missing.namespace!, namespaces) };
    else readings.push(...readingsOf(path, index, namespaces));
  });
  const results = await limits.inSlices('translate', readings, async (slice) => session.translateBrowsePath(slice.map(browsePath)));
  const targets = new Map<number, NodeId[]>();
  readings.forEach(({ path }, i) => {
    const result = results[i]!;
    const list = targets.get(path) ?? [];
    targets.set(path, list);
    if (!result.statusCode.isGood()) return;
    // A remaining path means the way leads into another server.
    for (const target of result.targets ?? []) if (target.remainingPathIndex === 0xffffffff) list.push(target.targetId);
  });
  return paths.map((path, index) => places[index] ?? only(targets.get(index) ?? [], formatNodeText(path)));
}

/** A name without a namespace takes that of the name before it; if the first has none, each namespace is tried for it. */
function readingsOf({ steps }: BrowsePathText, path: number, namespaces: readonly string[]): Reading[] {
  const tried = steps[0]?.namespace === undefined ? namespaces.map((_, index) => index) : [0];
  return tried.map((first) => {
    let namespaceIndex = first;
    return {
      path,
      steps: steps.map(({ namespace, name }) => {
        if (namespace !== undefined) namespaceIndex = namespaces.indexOf(namespace);
        return { namespaceIndex, name };
      }),
    };
  });
}

function browsePath({ steps }: Reading): BrowsePath {
  return new BrowsePath({
    startingNode: resolveNodeId(objectsFolder),
    relativePath: {
      elements: steps.map(({ namespaceIndex, name }) => ({
        referenceTypeId: resolveNodeId(hierarchicalReferences),
        includeSubtypes: true,
        isInverse: false,
        targetName: { namespaceIndex, name },
      })),
    },
  });
}

function only(targets: readonly NodeId[], path: string): Place {
  const different = [...new Map(targets.map((nodeId) => [nodeId.toString(), nodeId])).values()];
  if (different.length === 1) return { nodeId: different[0]! };
  if (different.length === 0) return { bad: { status: statuses.BadNoMatch, reason: `nothing is at ${path} on this server` } };
  return {
    bad: {
      status: statuses.BadNoMatch,
      reason: `${path} fits ${different.length} nodes (${different.slice(0, 3).join(', ')}); name the namespace: /{uri}name`,
    },
  };
}
