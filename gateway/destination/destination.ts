import type { Encoding } from '../../encodings/contract.ts';
import { encodingNamed } from '../../encodings/encodings.ts';
import type { HubContext, HubMessage, HubSession } from '../../hub-client/contract.ts';
import { fieldLog } from '../field-log.ts';
import { Forwarder, type ForwarderState } from '../forwarder.ts';
import { type HubLink, openHubLink } from '../hub-link.ts';
import type { CursorCounters, OutboxCursor } from '../outbox/contract.ts';
import type { DeadLetters } from './dead-letters.ts';
import { Pace } from './pace.ts';
import { selectedPlant } from './selected-plant.ts';
import { selector } from './selection.ts';
import type { DestinationConfig } from './settings.ts';
import { type Translator, translating, unchanged } from './translator.ts';

export interface DestinationState extends ForwarderState, CursorCounters {
  readonly kind: string;
  readonly where: string;
  readonly required: boolean;
}

export interface DestinationParts {
  readonly letters: DeadLetters;
  /** Called with each session that was opened, before anything is sent. */
  readonly onSession: ((session: HubSession) => void) | undefined;
}

/** One hub that readings go to: its way, its place in the outbox, its forwarder. Knows nothing of the others. */
export class Destination implements AsyncDisposable {
  readonly config: DestinationConfig;
  readonly #link: HubLink;
  readonly #cursor: OutboxCursor;
  readonly #forwarder: Forwarder;
  readonly #sayUnselected: () => void;

  private constructor(config: DestinationConfig, link: HubLink, cursor: OutboxCursor, forwarder: Forwarder, sayUnselected: () => void) {
    this.config = config;
    this.#sayUnselected = sayUnselected;
    this.#link = link;
    this.#cursor = cursor;
    this.#forwarder = forwarder;
  }

  static async open(
    config: DestinationConfig,
    cursor: OutboxCursor,
    whole: HubContext,
    { letters, onSession }: DestinationParts,
    signal: AbortSignal,
  ): Promise<Destination> {
    const log = fieldLog(whole.log, { destination: config.name });
    const context = { ...whole, log, ...(config.select && { plant: selectedPlant(whole.plant, config.select) }) };
    const encoding = await encodingNamed(config.encoding.name)!.load();
    const link = await openHubLink(config, context, signal);
    const forwarder = new Forwarder({
      name: config.name,
      cursor,
      log,
      async connect(abort) {
        const session = await link.connect(abort);
        onSession?.(session);
        return session;
      },
      translator: (session) => translatorFor(config, encoding, session, cursor, context),
      keepRefused: (message: HubMessage, reason) => letters.keep(message, reason),
      ...(config.pace !== undefined && { pace: new Pace(config.pace) }),
    });
    const sayUnselected = (): void => {
      if (!config.select || whole.plant.machines().length === 0 || context.plant.machines().length > 0) return;
      const hint = 'Compare it with equipment:, path: and points: of the mapping files; ** stands for any number of levels of a path.';
      log.warn({ select: config.select, hint }, 'no machine of the mappings is in select, so this destination gets no readings');
    };
    return new Destination(config, link, cursor, forwarder, sayUnselected);
  }

  get where(): string {
    return this.#link.where;
  }

  /** This box as an IoT Edge device of that hub; absent where the hub knows none. */
  get edge(): HubLink['edge'] {
    return this.#link.edge;
  }

  /** To be called when the machines of the mappings are known. */
  start(): void {
    this.#sayUnselected();
    this.#forwarder.start();
  }

  state(): DestinationState {
    const { kind, required } = this.config;
    return { kind, where: this.where, required, ...this.#forwarder.state(), ...this.#cursor.counters() };
  }

  /** Stops sending; the way itself stays until the outbox is closed. */
  async stop(): Promise<void> {
    await this.#forwarder.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#link[Symbol.asyncDispose]();
  }
}

/** The cheapest way that gives this session what it takes. */
function translatorFor(
  config: DestinationConfig,
  form: Encoding,
  session: HubSession,
  cursor: OutboxCursor,
  context: HubContext,
): Translator {
  const { select, encoding } = config;
  const grain = session.grain ?? 'batch';
  const plain = !select && !session.sendEvents && encoding.name === 'cloudevents' && grain === 'batch';
  const { maxBodyBytes } = session;
  if (plain) return unchanged(context.gateway, maxBodyBytes, session.compression === 'zstd');
  const encoder = session.sendEvents ? undefined : form.open(encoding.settings, context);
  return translating({
    gateway: context.gateway,
    select: select && selector(select),
    encoder,
    grain,
    maxBodyBytes,
    mark: cursor.mark,
  });
}
