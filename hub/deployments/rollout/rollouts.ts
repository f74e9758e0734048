import type { Commits } from '../../core/commits.ts';
import type { TwinDocument } from '../../core/contract.ts';
import { RequestError } from '../../core/request-error.ts';
import type { HubTwins } from '../../core/twins.ts';
import type { DatabaseSync } from '../../database.ts';
import type { HubLog } from '../../log.ts';
import type { Row } from '../../query/language.ts';
import { getIdentity, identityId } from '../../registry.ts';
import type { TwinStore } from '../../twins.ts';
import { type Compiled, contentKey } from '../compiled.ts';
import type { ConfigurationStore } from '../store.ts';
import type { RolloutAction, RolloutDocument, RolloutState } from './contract.ts';
import { type Finding, healthOf } from './health.ts';
import type { RolloutSettings } from './settings.ts';
import { countsOf, firstState, type RolloutView, steered, step } from './step.ts';

export interface RolloutParts {
  readonly db: DatabaseSync;
  readonly commits: Commits;
  readonly twins: HubTwins;
  readonly twinStore: TwinStore;
  readonly store: ConfigurationStore;
  readonly log: HubLog;
  /** Devices whose turn has come, or `all`: look at them again. */
  readonly changed: (devices: readonly string[] | 'all') => void;
}

interface Running {
  compiled: Compiled;
  settings: RolloutSettings;
  state: RolloutState;
  admitted: ReadonlySet<string>;
}

type View = RolloutView & { readonly findings: ReadonlyMap<string, Finding> };

const lookEveryMs = 1_000;
/** Without news; what counts then are waits that are over, and devices that fell silent. */
const lookAnywayMs = 5_000;
const shownFailures = 10;

/** The rollouts of all configurations: who may have them by now, and what comes next. */
export class Rollouts implements Disposable {
  readonly #parts: RolloutParts;
  readonly #all = new Map<string, Running>();
  readonly #timer: NodeJS.Timeout;
  #news = true;
  #lookedMs = 0;
  /** A look that has not begun. */
  #waiting: Promise<void> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: RolloutParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => {
      if (this.#news || Date.now() - this.#lookedMs >= lookAnywayMs) void this.look();
    }, lookEveryMs).unref();
  }

  /** A configuration with a rollout in its labels, as it was found on disk, made or changed; without one it is for everybody. */
  use(compiled: Compiled, stored: RolloutState | undefined): void {
    const { id, rollout: settings } = compiled;
    const known = this.#all.get(id);
    this.#news = true;
    if (!settings) this.#all.delete(id);
    // The same object: a step of it may be on its way to the disk.
    else if (known) Object.assign(known, { compiled, settings });
    else {
      const state = stored ?? firstState(Date.now(), this.#holders(id));
      this.#all.set(id, { compiled, settings, state, admitted: new Set(state.admitted) });
    }
  }

  forget(id: string): void {
    this.#all.delete(id);
  }

  /** Whether its turn has come for this device. */
  admits({ id }: Pick<Compiled, 'id'>, deviceId: string): boolean {
    const rollout = this.#all.get(id);
    return !rollout || rollout.state.status === 'done' || rollout.admitted.has(deviceId);
  }

  /** Somebody reported something, or came, or changed. */
  touch(): void {
    this.#news = true;
  }

  /** Takes every step that can be taken from now on. */
  look(): Promise<void> {
    this.#waiting ??= this.#inTurn(() => {
      this.#waiting = undefined;
      return this.#look();
    }).catch((error: Error) => this.#later(error));
    return this.#waiting;
  }

  document(id: string): RolloutDocument | undefined {
    const rollout = this.#all.get(id);
    if (!rollout) return undefined;
    const { state, settings } = rollout;
    const view = this.#view(rollout);
    const { admitted, failed, ...counts } = countsOf(state, view);
    return {
      status: state.status,
      phase: state.phase + 1,
      phases: settings.phases.map(({ text }) => text),
      phaseSinceUtc: new Date(state.sinceMs).toISOString(),
      targeted: view.targeted.length,
      admitted: admitted.length,
      ...counts,
      failed: failed.length,
      holding: this.#holding(rollout.compiled, view.targeted),
      failures: failed.slice(0, shownFailures).map((deviceId) => ({ deviceId, reason: view.findings.get(deviceId)?.reason ?? '' })),
      ...(state.reason !== undefined && { reason: state.reason }),
    };
  }

  async steer(id: string, action: RolloutAction): Promise<void> {
    await this.#inTurn(async () => {
      const rollout = this.#all.get(id);
      if (!rollout) {
        throw new RequestError('ConfigurationConflict', `configuration ${id} has no rollout: its label rolloutPhases would make one`);
      }
      const { status } = rollout.state;
      const next = steered(action, rollout.state, rollout.settings, this.#view(rollout));
      if (!next) throw new RequestError('ConfigurationConflict', `the rollout of ${id} is ${status}: ${action} means nothing now`);
      await this.#become(rollout, next, 'person');
    });
    await this.look();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** A state is read, stepped on and written before anybody else does. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #look(): Promise<void> {
    this.#news = false;
    this.#lookedMs = Date.now();
    for (const rollout of this.#all.values()) await this.#goOn(rollout);
  }

  /** A rollout that does not run takes no step. */
  async #goOn(rollout: Running): Promise<void> {
    for (;;) {
      const next = step(rollout.settings, rollout.state, this.#view(rollout));
      if (next === rollout.state) return;
      await this.#become(rollout, next, 'itself');
    }
  }

  /** A disk that is full: the same step is taken again. */
  #later(error: Error): void {
    this.#news = true;
    this.#parts.log.warn({ reason: error.message }, 'a rollout waits: its state could not be written');
  }

  async #become(rollout: Running, next: RolloutState, by: 'itself' | 'person'): Promise<void> {
    const { compiled, state: before } = rollout;
    await this.#parts.commits.run(() => this.#parts.store.saveRollout(compiled.id, next));
    const had = rollout.admitted;
    rollout.state = next;
    rollout.admitted = new Set(next.admitted);
    this.#audit(rollout, before, by);
    const everybody = next.status === 'done' || next.status === 'rolled-back' || next.status !== before.status;
    this.#parts.changed(everybody ? 'all' : next.admitted.filter((id) => !had.has(id)));
  }

  #audit({ compiled, settings, state }: Running, before: RolloutState, by: 'itself' | 'person'): void {
    const fields = {
      configuration: compiled.id,
      phase: `${state.phase + 1} of ${settings.phases.length} (${settings.phases[state.phase]?.text ?? 'all'})`,
      by,
      ...(state.reason !== undefined && { reason: state.reason }),
    };
    const { log } = this.#parts;
    if (by === 'itself' && (state.status === 'stopped' || state.status === 'rolled-back')) log.warn(fields, `rollout ${state.status}`);
    else if (state.status !== before.status) log.info(fields, `rollout ${state.status}`);
    else if (state.phase !== before.phase) log.info(fields, 'rollout: next phase');
    else log.info({ ...fields, devices: state.admitted.length - before.admitted.length }, 'rollout: devices admitted');
  }

  #view({ compiled, settings, state }: Running): View {
    const nowMs = Date.now();
    const findings = new Map<string, Finding>();
    const health = (deviceId: string) => {
      let finding = findings.get(deviceId);
      if (!finding) {
        finding = this.#finding(compiled.id, deviceId, settings.silenceMs, nowMs);
        findings.set(deviceId, finding);
      }
      return finding.health;
    };
    const targeted = [...this.#targeted(compiled)];
    if (state.status === 'done') for (const { deviceId } of targeted) health(String(deviceId));
    return { id: compiled.id, targeted, health, nowMs, findings };
  }

  *#targeted({ target }: Compiled): Generator<Row> {
    for (const twin of this.#parts.twins.all('devices') as Iterable<TwinDocument & Row>) {
      if (twin.capabilities?.iotEdge && target.matches(twin)) yield { deviceId: twin.deviceId, tags: twin.tags };
    }
  }

  #finding(id: string, deviceId: string, silenceMs: number, nowMs: number): Finding {
    const { db, twinStore, store } = this.#parts;
    const agentId = identityId(deviceId, '$edgeAgent');
    const { statuses, sinceMs } = store.assigned(agentId);
    const who = [getIdentity(db, deviceId), getIdentity(db, agentId)];
    const times = (key: 'connectedSinceMs' | 'lastActivityMs'): readonly number[] => who.flatMap((one) => one?.[key] ?? []);
    const [connected, active] = [times('connectedSinceMs'), times('lastActivityMs')];
    return healthOf(
      {
        agent: twinStore.load(agentId),
        hub: twinStore.load(identityId(deviceId, '$edgeHub')),
        appliedMs: statuses[id] === 'Applied' ? sinceMs : undefined,
        connectedSinceMs: connected.length > 0 ? Math.max(...connected) : undefined,
        lastActivityMs: active.length > 0 ? Math.max(...active) : undefined,
      },
      silenceMs,
      nowMs,
    );
  }

  #holding(compiled: Compiled, targeted: readonly Row[]): number {
    const key = contentKey(compiled);
    const applied = (deviceId: unknown) => this.#parts.store.assigned(identityId(String(deviceId), '$edgeAgent')).applied.split(' ');
    return targeted.filter(({ deviceId }) => applied(deviceId).includes(key)).length;
  }

  /** Who had it before it became a rollout keeps it. */
  #holders(id: string): readonly string[] {
    return [...this.#parts.store.allAssigned()].flatMap(([identity, { statuses }]) => {
      return statuses[id] === 'Applied' && identity.endsWith('/$edgeAgent') ? [identity.slice(0, -'/$edgeAgent'.length)] : [];
    });
  }
}
