import type { Log } from '../adapters/contract.ts';
import type { CloudMessage, HubSession } from '../hub-client/contract.ts';
import { type DesiredAnswer, RemoteConfiguration } from './configuration/remote.ts';
import { reportedConfiguration } from './configuration/reported.ts';
import { type ConfigurationSection, configurationApplier, configurationSections } from './configuration/sections.ts';
import type { ConfigurationService } from './configuration/service.ts';
import type { Methods } from './methods/methods.ts';
import { TwinAgent } from './twin/agent.ts';
import { type MachineState, type MachineTally, reportPlant } from './twin/plant-summary.ts';

export interface RemoteParts {
  /** Data folder: the last known twin is kept there. */
  readonly folder: string;
  readonly log: Log;
  readonly methods: Methods;
  readonly configuration: ConfigurationService;
  readonly tallies: () => readonly MachineTally[];
  /** How the connection of a machine is; undefined for one that is gone. */
  readonly stateOf: (equipment: string) => MachineState | undefined;
  /** Who this gateway is; reported once. */
  readonly identity: () => Readonly<Record<string, unknown>>;
}

/** What the office may ask of this gateway and learns of it, over the hub that has a way back: twin, methods, messages. Works on without a link. */
export class Remote implements AsyncDisposable {
  readonly twin: TwinAgent;
  readonly #parts: RemoteParts;
  #plantReports: Disposable | undefined;
  #commits: Disposable | undefined;

  constructor(parts: RemoteParts) {
    this.#parts = parts;
    const { configuration, folder, log } = parts;
    this.twin = new TwinAgent({ folder, log });
    const remote = new RemoteConfiguration(configuration, log);
    const desired = () => this.twin.desired() ?? {};
    for (const section of configurationSections) {
      const apply = configurationApplier(section, remote, desired, (of, answer) => this.#reportAnswer(of, answer));
      this.twin.section(section, apply, { lane: 'configuration' });
    }
  }

  /** Call when the gateway runs: says who it is. */
  start(): void {
    const { configuration, identity, tallies, stateOf } = this.#parts;
    this.twin.report('gateway', identity());
    this.#reportConfiguration();
    this.#commits = configuration.store.onCommit(() => this.#reportConfiguration());
    this.#plantReports = reportPlant(this.twin, tallies, stateOf);
  }

  /** A session with the hub was opened; one without a way back is none of our business. */
  attach(session: HubSession): void {
    const { control } = session;
    if (!control) return;
    const { log, methods } = this.#parts;
    control.onMethod(({ name, payload, requestId }) => methods.call(name, payload, { who: 'hub', from: 'hub', requestId }));
    control.onMessage((message) => this.#message(message));
    const over = new AbortController();
    void session.closed.then(() => over.abort());
    this.twin.attach(control, over.signal).catch((error: unknown) => log.error({ err: error }, 'the twin could not be attached'));
  }

  #reportConfiguration(): void {
    this.twin.report('configuration', reportedConfiguration(this.#parts.configuration.store));
  }

  /** The answer of a section has the first problem; all of them, with their places, stand here until the section is right. */
  #reportAnswer(section: ConfigurationSection, { state, version, message, diagnostics }: DesiredAnswer): void {
    const refused = state === 'refused' ? { version, message, ...diagnostics } : null;
    this.twin.report(`configurationProblems.${section}`, refused);
  }

  /** A message is a method call for hubs that have no answer: property `method`, body the payload. */
  async #message({ body, properties, id }: CloudMessage): Promise<void> {
    const { log, methods } = this.#parts;
    const { method } = properties;
    if (method === undefined) {
      log.warn({ id, properties }, 'a message of the hub names no method (application property "method"); it was taken and does nothing');
      return;
    }
    const result = await methods.call(method, parsed(body), {
      who: 'hub',
      from: 'hub',
      requestId: id ?? '',
      ...(id !== undefined && { messageId: id }),
    });
    if (result.status >= 300) log.warn({ id, method, status: result.status, answer: result.payload }, 'a message of the hub was refused');
    this.twin.report(['lastMessage'], { ...(id !== undefined && { id }), method, status: result.status });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#commits?.[Symbol.dispose]();
    this.#plantReports?.[Symbol.dispose]();
    await this.twin[Symbol.asyncDispose]();
  }
}

function parsed(body: Uint8Array): unknown {
  const text = Buffer.from(body).toString('utf8');
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return text;
  }
}
