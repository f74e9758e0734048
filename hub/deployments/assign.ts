import type { Configuration, ConfigurationStatus, Statuses } from './contract.ts';

export type Candidate = Pick<Configuration, 'id' | 'kind' | 'priority' | 'createdMs'>;

/** Which configurations one device has. */
export interface Assignment<C extends Candidate> {
  /** The whole manifest; undefined: none, and the device keeps what it has. */
  readonly standard: C | undefined;
  /** Over it, from the weakest to the strongest. */
  readonly layers: readonly C[];
  /** Of `$edgeAgent`: of whole manifests and layers. */
  readonly statuses: Statuses;
}

/**
 * One whole manifest, that of the highest priority, then the newest; all layers of a higher priority than it. `matching` are those whose
 * condition is true of the device; `admits` says whether its turn has come in a rollout.
 */
export function assign<C extends Candidate>(matching: readonly C[], admits: (candidate: C) => boolean = () => true): Assignment<C> {
  const ascending = matching.filter(({ kind }) => kind === 'edge' || kind === 'layer').toSorted(byStrength);
  const admitted = ascending.filter(admits);
  const standard = admitted.findLast(({ kind }) => kind === 'edge');
  const layers = standard ? admitted.filter(({ kind, priority }) => kind === 'layer' && priority > standard.priority) : [];
  const applied = new Set([standard, ...layers]);
  const statuses = Object.fromEntries(
    ascending.map((one): [string, ConfigurationStatus] => [one.id, applied.has(one) ? 'Applied' : 'Targeted']),
  );
  return { standard, layers, statuses };
}

/** From the weakest to the strongest: by priority, then by age; what was made in the same moment by id, so that the answer is always the same. */
export function byStrength(a: Candidate, b: Candidate): number {
  return a.priority - b.priority || a.createdMs - b.createdMs || (a.id < b.id ? 1 : -1);
}
