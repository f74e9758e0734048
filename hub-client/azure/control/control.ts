import type { Log } from '../../../adapters/contract.ts';
import { NotConnectedError } from '../../../model/error.ts';
import type { CloudMessage, HubControl, HubTwin, MethodCall, MethodResult, TwinObject } from '../../contract.ts';
import { type Answer, isObject, parseJson } from '../answer.ts';
import type { Incoming, Link } from '../link.ts';
import { Requests } from '../requests.ts';
import { deepest, isDeeper } from './depth.ts';
import { Desired, type Section } from './desired.ts';
import { filters, type Inbound, parseInbound } from './inbound.ts';
import { Messages } from './messages.ts';
import { answer, answerTo, type MethodAnswer, type MethodHandler, methodCall } from './methods.ts';
import { twinFailure, twinOf } from './twin-answer.ts';

export interface ControlOptions {
  /** Of device or module, for texts. */
  readonly id: string;
  /** Begins its topics. */
  readonly root: string;
  /** `host:port`, for texts. */
  readonly at: string;
  /** For one answer of the twin, from the call on. */
  readonly answerTimeoutMs: number;
  readonly log: Pick<Log, 'debug' | 'warn'>;
  /** The session cannot go on. */
  readonly fail: (reason: NotConnectedError) => void;
}

/** What came for a handler that is not set yet waits so long; handlers are set right after connect. */
const handlerWithinMs = 5_000;
/** Methods at work at once; the caller of one more is told to come again. */
const mostMethods = 64;
/** Between two attempts to fetch what notices did not tell. */
const fetchPauseMs = { first: 1_000, most: 30_000 };

/**
 * Twin, methods and commands of one session, over as many links as the session has. Subscribes to nothing before somebody asks for it,
 * and to each filter once a link.
 */
export class Control implements HubControl {
  readonly #options: ControlOptions;
  readonly #requests: Requests<Link>;
  readonly #desired: Desired;
  readonly #messages: Messages;
  /** What this session wants to hear, with its QoS, in the order in which it was asked for. */
  readonly #wanted = new Map<string, 0 | 1>();
  /** Granted on the present link. */
  readonly #granted = new Set<string>();
  #link: Link | undefined;
  #onDesired: ((patch: Section) => void) | undefined;
  #onMethod: MethodHandler | undefined;
  #takesMethods = true;
  /** Calls that came before their handler. */
  readonly #early = new Map<MethodCall, NodeJS.Timeout>();
  #methods = 0;
  #methodsDone: PromiseWithResolvers<void> | undefined;
  /** Answers of methods that ended while a link was replaced. */
  readonly #answers: (() => void)[] = [];
  #catchingUp = false;
  #stale = false;
  #end: NotConnectedError | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
    this.#requests = new Requests(`The hub ${options.at}`, options.answerTimeoutMs);
    this.#desired = new Desired({ give: (patch) => this.#give(patch), missing: () => this.#catchUp() });
    this.#messages = new Messages((message, error) =>
      options.log.warn({ err: error, message: message.id }, 'a cloud-to-device message was not taken; it stays in the hub'),
    );
  }

  async twin(): Promise<HubTwin> {
    const { desired, reported } = await this.#fetch();
    return { desired: this.#desired.fetched(desired), reported };
  }

  async report(patch: TwinObject): Promise<number> {
    const body = JSON.stringify(patch);
    this.#want(filters.answers, 0);
    const said = await this.#requests.ask('a reported patch', (link, rid) =>
      link.tell(`$iothub/twin/PATCH/properties/reported/?$rid=${rid}`, body),
    );
    if (said.status >= 300 || said.version === undefined) throw twinFailure('a reported patch', said, this.#options.at);
    return said.version;
  }

  onDesired(handler: (patch: Section) => void): void {
    this.#onDesired = handler;
    this.#want(filters.desired, 0);
  }

  onMethod(handler: (call: MethodCall) => Promise<MethodResult>): void {
    this.#onMethod = handler;
    if (this.#takesMethods) this.#want(filters.methods, 0);
    for (const [call, timer] of this.#early) {
      clearTimeout(timer);
      void this.#run(call, handler);
    }
    this.#early.clear();
  }

  /**
   * Whether the hub is to bring calls of methods. While not, it tells callers that nobody listens, or lets them wait as long as they would for a connection;
   * a call that is on its way already is still answered. True from the beginning.
   */
  takeMethods(takes: boolean): void {
    if (takes === this.#takesMethods) return;
    this.#takesMethods = takes;
    if (takes) {
      if (this.#onMethod) this.#want(filters.methods, 0);
      return;
    }
    this.#wanted.delete(filters.methods);
    this.#link?.unsubscribe(filters.methods);
  }

  onMessage(handler: (message: CloudMessage) => Promise<void>): void {
    this.#messages.handler = handler;
    this.#want(filters.messages(this.#options.root), 1);
  }

  /** A link is up: the first one, or one that replaces another. */
  attach(link: Link): void {
    this.#granted.clear();
    this.#messages.replaced();
    this.#link = link;
    link.listen((message) => this.#take(message, link));
    // The hub may remember it from a session before.
    if (!this.#takesMethods) link.unsubscribe(filters.methods);
    for (const [filter, qos] of this.#wanted) void this.#subscribe(link, filter, qos);
    for (const put of this.#answers.splice(0)) put();
    this.#messages.resume();
    this.#proceed();
    // Nothing was told in between.
    if (this.#desired.isKnown && this.#onDesired) this.#catchUp();
  }

  /** Before a link is replaced: begins nothing more; resolves when what is at work is done, or after `withinMs`. */
  async quiet(withinMs: number): Promise<void> {
    this.#requests.pause();
    const methods = this.#methods === 0 ? undefined : Promise.withResolvers<void>();
    this.#methodsDone = methods;
    const enough = methods && setTimeout(methods.resolve, withinMs);
    await Promise.all([this.#requests.drained(withinMs), this.#messages.hold(withinMs), methods?.promise]);
    clearTimeout(enough);
    this.#methodsDone = undefined;
  }

  /** The link is given up, another will be attached. */
  detach(): void {
    this.#link = undefined;
    this.#requests.pause();
  }

  close(reason: NotConnectedError): void {
    if (this.#end) return;
    this.#end = reason;
    this.#link = undefined;
    this.#requests.close(reason);
    this.#messages.close();
    for (const timer of this.#early.values()) clearTimeout(timer);
    this.#early.clear();
    this.#methodsDone?.resolve();
  }

  #want(filter: string, qos: 0 | 1): void {
    if (this.#wanted.has(filter) || this.#end) return;
    this.#wanted.set(filter, qos);
    // A request must not overtake these: its answer, or a notice behind it, would be sent to nobody.
    if (isOfTwin(filter)) this.#requests.pause();
    if (this.#link) void this.#subscribe(this.#link, filter, qos);
  }

  async #subscribe(link: Link, filter: string, qos: 0 | 1): Promise<void> {
    try {
      await link.subscribe(filter, qos);
      if (link !== this.#link) return;
      this.#granted.add(filter);
      this.#proceed();
    } catch (error) {
      if (link !== this.#link || error instanceof NotConnectedError) return;
      this.#options.log.warn({ err: error }, 'the hub does not let us listen');
      this.#wanted.delete(filter);
      if (isOfTwin(filter)) {
        const reason = new NotConnectedError('hub-subscription', (error as Error).message, { retry: 'after-fix', cause: error });
        this.#requests.refuse(reason);
      }
      this.#proceed();
    }
  }

  /** Lets requests go as soon as their answers would be heard. */
  #proceed(): void {
    const needed = [...this.#wanted.keys()].filter(isOfTwin);
    if (this.#link && needed.length > 0 && needed.every((filter) => this.#granted.has(filter))) this.#requests.resume(this.#link);
  }

  #take({ topic, body, packetId }: Incoming, link: Link): void {
    const { root, log } = this.#options;
    const inbound = parseInbound(topic, body, root);
    if (inbound?.kind === 'message') {
      this.#command({ topic, body, packetId }, inbound.properties, link);
      return;
    }
    // Only commands wait for somebody; the rest is QoS 0 by right.
    link.acknowledge(packetId);
    if (!inbound) log.warn({ topic }, 'the hub sent a message that nobody here asked for; it is lost');
    else if (inbound.kind === 'answer') {
      if (!this.#requests.answered(inbound.rid, inbound)) log.debug({ topic }, 'an answer of the hub came too late');
    } else if (inbound.kind === 'desired') this.#notice(body, inbound.version);
    else this.#call(methodCall(inbound.name, inbound.rid, body));
  }

  #notice(body: Uint8Array, topicVersion: number | undefined): void {
    if (!this.#onDesired) {
      this.#options.log.debug({ version: topicVersion }, 'desired properties changed, nobody here listens');
      return;
    }
    const patch = parseJson(Buffer.from(body).toString('utf8'));
    const version = isObject(patch) && Number.isSafeInteger(patch.$version) ? (patch.$version as number) : topicVersion;
    if (version === undefined || !isObject(patch) || isDeeper(patch, deepest)) {
      this.#options.log.warn(
        { version: topicVersion, bytes: body.length },
        'the hub sent desired properties that are none; they are fetched',
      );
      if (this.#desired.isKnown) this.#catchUp();
      return;
    }
    this.#desired.notice({ ...patch, $version: version });
  }

  #give(patch: Section): void {
    try {
      this.#onDesired?.(patch);
    } catch (error) {
      this.#options.log.warn({ err: error, version: patch.$version }, 'desired properties could not be taken');
    }
  }

  /** Fetches what notices did not tell, as often as it takes. */
  #catchUp(): void {
    this.#stale = true;
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    void this.#fetchMissing().finally(() => {
      this.#catchingUp = false;
    });
  }

  async #fetchMissing(): Promise<void> {
    let pauseMs = fetchPauseMs.first;
    while (this.#stale && !this.#end) {
      this.#stale = false;
      try {
        const { desired } = await this.#fetch();
        if (this.#desired.caughtUp(desired)) continue;
        const text = `The twin of "${this.#options.id}" was made anew in the hub ${this.#options.at}.`;
        this.#options.fail(new NotConnectedError('hub-twin-anew', text, { retry: 'with-backoff' }));
      } catch (error) {
        if (this.#end) return;
        this.#stale = true;
        this.#options.log.debug({ err: error }, 'desired properties could not be fetched, trying again');
        await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
        pauseMs = Math.min(pauseMs * 2, fetchPauseMs.most);
      }
    }
  }

  async #fetch(): Promise<HubTwin> {
    this.#want(filters.answers, 0);
    // One space: an empty body is no request to some hubs.
    const said: Answer = await this.#requests.ask('a request for the twin', (link, rid) => link.tell(`$iothub/twin/GET/?$rid=${rid}`, ' '));
    return twinOf(said, this.#options.at);
  }

  #call(call: MethodCall): void {
    if (this.#onMethod) void this.#run(call, this.#onMethod);
    else if (this.#early.size >= mostMethods) this.#answer(call, answer(429, { message: 'The gateway is busy; call again.' }));
    else this.#early.set(call, setTimeout(() => this.#noHandler(call), handlerWithinMs).unref());
  }

  #noHandler(call: MethodCall): void {
    this.#early.delete(call);
    this.#answer(call, answer(404, { message: 'This gateway takes no methods.' }));
  }

  async #run(call: MethodCall, handler: MethodHandler): Promise<void> {
    if (this.#methods >= mostMethods) {
      this.#answer(call, answer(429, { message: `The gateway has ${mostMethods} methods at work; call again.` }));
      return;
    }
    this.#methods++;
    const result = await answerTo(call, handler);
    this.#answer(call, result);
    this.#methods--;
    if (this.#methods === 0) this.#methodsDone?.resolve();
  }

  #answer({ requestId }: MethodCall, { status, body }: MethodAnswer): void {
    const put = (): void => this.#link?.tell(`$iothub/methods/res/${status}/?$rid=${requestId}`, body);
    if (this.#link) put();
    else if (!this.#end) this.#answers.push(put);
  }

  #command({ topic, body, packetId }: Incoming, all: Extract<Inbound, { kind: 'message' }>['properties'], link: Link): void {
    if (!this.#messages.hasHandler) {
      setTimeout(() => {
        if (!this.#messages.hasHandler && !this.#end)
          this.#options.log.warn({ topic }, 'the hub sent a command that nobody here takes; it stays in the hub');
      }, handlerWithinMs).unref();
    }
    const { '$.mid': id, ...properties } = all;
    this.#messages.take({ topic, message: { id, body, properties }, acknowledge: () => link.acknowledge(packetId) });
  }
}

const isOfTwin = (filter: string): boolean => filter === filters.answers || filter === filters.desired;
