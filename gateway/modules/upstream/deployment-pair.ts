import type { TwinObject } from '../../../twin/section.ts';
import type { DesiredSection } from './desired-mirror.ts';

/** What the hub wants of this box: the desired properties of `$edgeAgent` and `$edgeHub`, as they stand there, without `$version` and `$metadata`. */
export interface UpstreamDeployment {
  readonly agent: TwinObject;
  readonly hub: TwinObject;
  /** `$version` of `agent`: what `$edgeAgent` reports as `lastDesiredVersion`. */
  readonly version: number;
  /** `$version` of `hub`, for `$edgeHub`. */
  readonly hubVersion: number;
}

/** The two as one deployment manifest, for `readManifest`. Module twins are not in it: the hub has put them in its own. */
export function manifestOf({ agent, hub }: Pick<UpstreamDeployment, 'agent' | 'hub'>): TwinObject {
  return { modulesContent: { $edgeAgent: { 'properties.desired': agent }, $edgeHub: { 'properties.desired': hub } } };
}

type Half = 'agent' | 'hub';

/** A hub that applies a deployment writes both twins within moments. */
const settleMs = 250;
/** How long one half waits for the connection of the other. */
const otherWithinMs = 10_000;

/** Brings the two twins of a deployment together: nothing is given before both are known, and one that changed waits for the other to be up to date. */
export class DeploymentPair implements Disposable {
  readonly #give: (deployment: UpstreamDeployment) => void;
  readonly #sections = new Map<Half, DesiredSection>();
  /** Those whose session has told all that the hub has. */
  readonly #current = new Set<Half>();
  #timer: NodeJS.Timeout | undefined;
  #changedMono: number | undefined;

  constructor(give: (deployment: UpstreamDeployment) => void) {
    this.#give = give;
  }

  changed(half: Half, section: DesiredSection): void {
    this.#sections.set(half, section);
    this.#changedMono ??= performance.now();
    this.#soon(settleMs);
  }

  /** The session of this half has told what the hub has, or is over. */
  setCurrent(half: Half, isCurrent: boolean): void {
    if (isCurrent) this.#current.add(half);
    else this.#current.delete(half);
    if (isCurrent && this.#changedMono !== undefined) this.#soon(settleMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #soon(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tell(), afterMs);
  }

  #tell(): void {
    const [agent, hub] = [this.#sections.get('agent'), this.#sections.get('hub')];
    if (!agent || !hub || this.#changedMono === undefined) return;
    const waitsMs = this.#changedMono + otherWithinMs - performance.now();
    if (this.#current.size < 2 && waitsMs > 0) {
      this.#soon(waitsMs);
      return;
    }
    this.#changedMono = undefined;
    this.#give({ agent: agent.properties, hub: hub.properties, version: agent.version, hubVersion: hub.version });
  }
}
