import { join } from 'node:path';
import type { Adapter, Log } from '../adapters/contract.ts';
import type { HubSession } from '../hub-client/contract.ts';
import type { AuditEntry, AuditRecord } from './audit/entry.ts';
import { exportEntries } from './audit/export.ts';
import { AuditLog } from './audit/log.ts';
import { addAuditMethod } from './audit/note.ts';
import { auditEvent, type EventOrigin } from './cloud-event.ts';
import { addConfigurationMethods } from './configuration/methods.ts';
import type { ConfigurationService } from './configuration/service.ts';
import type { Snapshot } from './configuration/snapshot.ts';
import type { WriteTargets } from './control/contract.ts';
import { addWriteMethods } from './control/methods.ts';
import { setpointApplier } from './control/setpoints.ts';
import { WritePath } from './control/write-path.ts';
import type { Methods } from './methods/methods.ts';
import type { OutboxEvent } from './outbox/contract.ts';
import { pause } from './pause.ts';
import { Remote } from './remote.ts';
import { addShadowMethods } from './shadow/methods.ts';
import { reportedShadow } from './shadow/reported.ts';
import { type ShadowHost, ShadowService } from './shadow/service.ts';
import type { MachineState, MachineTally } from './twin/plant-summary.ts';

export interface ControlRoomParts {
  readonly dataFolder: string;
  readonly writes: 'on' | 'off';
  /** Names the hub that commands: another one counts its versions anew. */
  readonly hub: string;
  readonly log: Log;
  readonly methods: Methods;
  readonly configuration: ConfigurationService;
  readonly adapters: readonly Adapter[];
  readonly origin: EventOrigin;
  readonly tallies: () => readonly MachineTally[];
  readonly targets: WriteTargets;
  readonly stateOf: (equipment: string) => MachineState | undefined;
  readonly identity: () => Readonly<Record<string, unknown>>;
  /** Into the outbox; resolves when durable. */
  readonly append: (event: OutboxEvent) => Promise<void>;
}

/** A machine that does not answer must not hold up the end; its write is then `unknown`, and read back at the next start. */
const writesEndWithinMs = 600;

/** Where whatever changes something comes together: twin, methods, writes, shadow runs, and the log of who did what. */
export class ControlRoom implements AsyncDisposable {
  readonly remote: Remote;
  readonly audit: AuditLog;
  readonly writes: WritePath;
  readonly #shadow: ShadowService;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>[] = [];

  private constructor(parts: ControlRoomParts, audit: AuditLog, writes: WritePath, shadow: (changed: () => void) => ShadowService) {
    const { dataFolder, log, methods, configuration, tallies, stateOf, identity } = parts;
    this.audit = audit;
    this.writes = writes;
    this.remote = new Remote({ folder: dataFolder, log, methods, configuration, tallies, stateOf, identity });
    this.#shadow = shadow(() => this.remote.twin.report('shadow', reportedShadow(this.#shadow)));
    addConfigurationMethods(methods, configuration);
    addShadowMethods(methods, this.#shadow);
    addWriteMethods(methods, writes);
    addAuditMethod(methods, audit);
    configuration.store.onCommit((snapshot) => {
      audit
        .append(configurationRecord(snapshot))
        .catch((error: unknown) => log.error({ err: error }, 'a change of the configuration stands in no audit log'));
    });
    const { twin } = this.remote;
    const told = ({ equipment, point }: { equipment: string; point: string }, outcome: Record<string, unknown>): void =>
      twin.report(['setpoints', equipment, point], outcome);
    twin.section('setpoints', setpointApplier(writes, parts.hub, told), { lane: 'writes' });
    twin.section('writes', (value) => this.#switch(value), { lane: 'writes' });
    this.#running.push(
      exportEntries(audit, (entry) => parts.append(auditOutboxEvent(parts.origin, entry)), this.#stop.signal),
      writes.settle(this.#stop.signal),
    );
  }

  /** Opens what is kept on disk. Rejects with GatewayError when another gateway uses the data folder. */
  static async open(parts: ControlRoomParts): Promise<ControlRoom> {
    const { dataFolder, targets, configuration, adapters, log } = parts;
    const audit = await AuditLog.open(join(dataFolder, 'audit'));
    try {
      const writes = await WritePath.open({ data: dataFolder, writes: parts.writes, targets, audit });
      let changed = (): void => {};
      const shadow = await ShadowService.open({
        folder: join(dataFolder, 'shadow'),
        adapters,
        configuration,
        log,
        onChange: () => changed(),
      });
      return new ControlRoom(parts, audit, writes, (onChange) => {
        changed = onChange;
        return shadow;
      });
    } catch (error) {
      await audit[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The gateway runs. */
  start(host: ShadowHost): void {
    this.#shadow.attach(host);
    this.remote.start();
  }

  /** A session with the hub that commands was opened. */
  attach(session: HubSession): void {
    this.remote.attach(session);
  }

  /** Before the machines are let go: what is being written gets its answer, and nothing new begins. May be called twice. */
  async stopWriting(): Promise<void> {
    const waited = new AbortController();
    await Promise.race([this.writes[Symbol.asyncDispose](), pause(writesEndWithinMs, waited.signal)]);
    waited.abort();
  }

  async #switch(value: unknown) {
    if (value === undefined) return { status: 'applied', message: 'as it was switched last' } as const;
    if (value !== 'on' && value !== 'off') return { status: 'refused', message: 'writes is on or off' } as const;
    await this.writes.switchWrites(value, 'hub', 'desired');
    return { status: 'applied', message: `writes ${value}` } as const;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#shadow[Symbol.asyncDispose]();
    await this.remote[Symbol.asyncDispose]();
    await this.writes[Symbol.asyncDispose]();
    await Promise.allSettled(this.#running);
    await this.audit[Symbol.asyncDispose]();
  }
}

function configurationRecord({ number, who, from, parent, plan, note, digest }: Snapshot): AuditRecord {
  return {
    kind: 'configuration',
    action: 'put in force',
    who,
    from,
    target: `snapshot ${number}`,
    ...(parent !== undefined && { old: `snapshot ${parent}` }),
    new: digest,
    outcome: 'done',
    reason: [note, plan.at(-1)].filter(Boolean).join('; ') || 'first start',
  };
}

function auditOutboxEvent(origin: EventOrigin, entry: AuditEntry): OutboxEvent {
  const atMs = Date.parse(entry.time);
  return { encode: (sequence) => auditEvent(origin, entry, sequence), readings: 0, fromMs: atMs, toMs: atMs };
}
