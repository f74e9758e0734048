import type { Log } from '../../../adapters/contract.ts';
import type { HubControl } from '../../../hub-client/contract.ts';
import { backoff } from '../../../model/backoff.ts';
import { mergePatch } from '../../../twin/patch.ts';
import { propertiesOf, sameJson, type TwinObject } from '../../../twin/section.ts';
import { pause } from '../../pause.ts';

/** Desired properties, whole. */
export interface DesiredSection {
  readonly properties: TwinObject;
  /** `$version` of the hub. */
  readonly version: number;
}

export interface DesiredMirrorOptions {
  /** The whole section, each time it is another one. */
  readonly give: (section: DesiredSection) => void;
  /** What the hub has of the reported properties, once a session. */
  readonly reported?: (properties: TwinObject, control: HubControl) => void;
  readonly log: Log;
}

/** The desired properties of one identity over sessions that come and go. Versions are taken in order: what was missed is fetched whole. */
export class DesiredMirror {
  readonly #options: DesiredMirrorOptions;
  #section: DesiredSection | undefined;

  constructor(options: DesiredMirrorOptions) {
    this.#options = options;
  }

  /** Undefined before the hub was met. */
  get section(): DesiredSection | undefined {
    return this.#section;
  }

  /** Follows the twin over this session; resolves when the whole was read, or the signal aborted. Never rejects. */
  async attach(control: HubControl, signal: AbortSignal): Promise<void> {
    const { reported, log } = this.#options;
    const waits = backoff();
    // The session gives patches only after the whole was read, each version once and in order.
    control.onDesired((patch) => {
      const properties = mergePatch(this.#section?.properties ?? {}, propertiesOf(patch));
      if (!signal.aborted) this.#take({ properties, version: patch.$version });
    });
    while (!signal.aborted) {
      try {
        const twin = await control.twin();
        if (signal.aborted) return;
        this.#take({ properties: propertiesOf(twin.desired), version: twin.desired.$version });
        reported?.(propertiesOf(twin.reported), control);
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.debug({ reason: (error as Error).message }, 'the twin of a module could not be read, asking again');
        await pause(waits.next(error), signal);
      }
    }
  }

  #take(section: DesiredSection): void {
    const before = this.#section;
    if (before?.version === section.version && sameJson(before.properties, section.properties)) return;
    this.#section = section;
    this.#options.give(section);
  }
}
