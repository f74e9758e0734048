import type { HubControl, HubTwin, TwinObject } from '../../../hub-client/contract.ts';
import { GatewayError, NotConnectedError } from '../../../model/error.ts';
import { checkPatch, checkSection } from '../../../twin/limits.ts';
import { fullReplaceNotice, mergePatch } from '../../../twin/patch.ts';
import { emptySection, patchSection, replaceSection, sectionOnTheWire, type VersionedSection } from '../../../twin/versions.ts';

const write = { at: '2026-11-24T08:00:00.000Z' };

/** A hub of one device, with the service's rules and none of its wires. */
export class MemoryHub {
  desired: VersionedSection = emptySection(write);
  reported: VersionedSection = emptySection(write);
  /** As they came, with the time at which they were sent (monotonic, ms). */
  readonly patches: { readonly patch: TwinObject; readonly atMs: number }[] = [];
  readonly links = new Set<MemoryLink>();
  /** Called before anything else of a report; what it throws is the answer. */
  onReport: (patch: TwinObject) => void | Promise<void> = () => {};
  #waiting: (() => boolean)[] = [];

  connect(): MemoryLink {
    const link = new MemoryLink(this);
    this.links.add(link);
    return link;
  }

  patchDesired(patch: TwinObject): void {
    this.desired = patchSection(this.desired, patch, write);
    this.#tell({ ...patch, $version: this.desired.version });
  }

  replaceDesired(properties: TwinObject): void {
    const notice = fullReplaceNotice(this.desired.properties, properties);
    this.desired = replaceSection(this.desired, properties, write);
    this.#tell({ ...notice, $version: this.desired.version });
  }

  twin(): HubTwin {
    const wire = {
      desired: sectionOnTheWire(this.desired, { metadata: false }),
      reported: sectionOnTheWire(this.reported, { metadata: false }),
    };
    return JSON.parse(JSON.stringify(wire)) as HubTwin;
  }

  async report(patch: TwinObject, atMs = performance.now()): Promise<number> {
    this.patches.push({ patch, atMs });
    await this.onReport(patch);
    const sent = JSON.parse(JSON.stringify(patch)) as TwinObject;
    const refusal = checkPatch(sent) ?? checkSection(mergePatch(this.reported.properties, sent), 'reported');
    if (refusal) throw new GatewayError('twin-refused', `${refusal.path}: ${refusal.message}`, { retry: 'never' });
    this.reported = patchSection(this.reported, sent, write);
    this.#waiting = this.#waiting.filter((met) => !met());
    return this.reported.version;
  }

  /** Resolves when reported is so. */
  until(is: (reported: TwinObject) => boolean): Promise<TwinObject> {
    return new Promise((resolve) => {
      const met = (): boolean => {
        if (!is(this.reported.properties)) return false;
        resolve(this.reported.properties);
        return true;
      };
      if (!met()) this.#waiting.push(met);
    });
  }

  #tell(notice: TwinObject): void {
    for (const link of this.links) link.notice(JSON.parse(JSON.stringify(notice)));
  }
}

/** One connection to it. */
export class MemoryLink implements HubControl {
  readonly #hub: MemoryHub;
  readonly #over = new AbortController();
  #handler: ((patch: TwinObject & { readonly $version: number }) => void) | undefined;
  /** The hub takes the next report, and its answer is lost with the link. */
  cutAfterReport = false;
  twins = 0;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  cut(): void {
    this.#hub.links.delete(this);
    this.#over.abort();
  }

  notice(patch: unknown): void {
    this.#handler?.(patch as TwinObject & { readonly $version: number });
  }

  async twin(): Promise<HubTwin> {
    this.twins++;
    await this.#turn();
    return this.#hub.twin();
  }

  async report(patch: TwinObject): Promise<number> {
    const sentMs = performance.now();
    await this.#turn();
    const version = await this.#hub.report(patch, sentMs);
    if (this.cutAfterReport) this.cut();
    await this.#turn();
    return version;
  }

  onDesired(handler: (patch: TwinObject & { readonly $version: number }) => void): void {
    this.#handler = handler;
  }

  onMethod(): void {}

  onMessage(): void {}

  /** A round trip; fails as a lost link does. */
  async #turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#over.signal.aborted) throw new NotConnectedError('hub-lost', 'the link is cut', { retry: 'with-backoff' });
  }
}
