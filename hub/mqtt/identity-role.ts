import type { Core } from '../core/hub-core.ts';
import type { Feature, IdentityLink } from '../core/links.ts';
import type { Identity } from '../registry.ts';
import type { TwinAnswer } from '../twins.ts';
import type { KeptSession, Role, Speaker, TelemetryTopic } from './role.ts';
import { featureFilters, parseRequestTopic, parseTelemetryTopic, quietFilters, topicRoot } from './topics.ts';

/** A device or module that is connected: what it publishes, and what the hub sends it. */
export class IdentityRole implements Role, IdentityLink {
  readonly id: string;
  readonly generationId: string;
  readonly expiresMs: number | undefined;
  readonly session: KeptSession;
  readonly #identity: Identity;
  readonly #core: Core;
  readonly #speaker: Speaker;
  readonly #root: string;
  readonly #filters: Readonly<Record<Feature, readonly string[]>>;

  constructor(identity: Identity, expiresMs: number | undefined, core: Core, speaker: Speaker) {
    this.id = identity.id;
    this.generationId = identity.generationId;
    this.expiresMs = expiresMs;
    this.#identity = identity;
    this.#core = core;
    this.#speaker = speaker;
    this.#root = topicRoot(identity);
    this.#filters = featureFilters(identity);
    const { sessions } = core;
    this.session = {
      load: () => sessions.load(identity.id),
      save: (subscriptions) => sessions.save(identity.id, subscriptions),
      drop: () => sessions.drop(identity.id),
    };
  }

  telemetry(topic: string): TelemetryTopic | undefined {
    const properties = parseTelemetryTopic(topic, this.#root);
    if (!properties) return undefined;
    this.#core.active(this.id);
    const { deviceId, moduleId } = this.#identity;
    // Who sent it is for the hub to say.
    const { '$.cdid': _device, '$.cmid': _module, ...said } = properties;
    return { deviceId, properties: moduleId === undefined ? said : { ...said, '$.cmid': moduleId } };
  }

  take(topic: string, payload: Uint8Array): boolean {
    const request = parseRequestTopic(topic);
    if (request?.kind === 'twin-get') void this.#core.readTwin(this.id).then((answer) => this.#answer(request.rid, answer));
    if (request?.kind === 'twin-reported') {
      const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
      void this.#core.patchReported(this.id, text, request.version).then((answer) => this.#answer(request.rid, answer));
    }
    if (request?.kind === 'method-response') this.#core.methods.answered(this.id, request.rid, request.status, payload);
    return request !== undefined;
  }

  maySubscribe(filter: string): boolean {
    return Object.values(this.#filters).some((filters) => filters.includes(filter)) || quietFilters(this.#identity).includes(filter);
  }

  listening(): void {
    this.#core.links.listening(this);
  }

  ended(): void {
    this.#core.links.remove(this);
  }

  listens(feature: Feature): 0 | 1 | undefined {
    const granted = this.#filters[feature].map((filter) => this.#speaker.subscriptions.get(filter)).filter((qos) => qos !== undefined);
    return granted.length === 0 ? undefined : (Math.max(...granted) as 0 | 1);
  }

  publish(topic: string, body: string | Uint8Array, sent?: (taken: boolean) => void): void {
    this.#speaker.publish(topic, body, sent);
  }

  deliver(topic: string, body: Uint8Array, settled: (acknowledged: boolean) => void): void {
    this.#speaker.deliver(topic, body, settled);
  }

  end(reason: string): void {
    this.#speaker.close({ code: 'revoked', reason, bad: false });
  }

  /** Always, also without a subscription: a twin request that gets no answer hangs the Azure SDK for ever. */
  #answer(rid: string, { status, version, body }: TwinAnswer): void {
    const query = version === undefined ? '' : `&$version=${version}`;
    this.#speaker.publish(`$iothub/twin/res/${status}/?$rid=${encodeURIComponent(rid)}${query}`, body);
  }
}
