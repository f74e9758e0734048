import { createHash } from 'node:crypto';
import type { Row } from '../../query/language.ts';
import type { Health, RolloutAction, RolloutState } from './contract.ts';
import type { Phase, RolloutSettings } from './settings.ts';

/** What a rollout sees of its devices. */
export interface RolloutView {
  readonly id: string;
  /** Whom the condition means: documents with `deviceId` and `tags`. */
  readonly targeted: readonly Row[];
  /** Of those that are admitted. */
  health(deviceId: string): Health;
  readonly nowMs: number;
}

export const firstState = (nowMs: number, holders: readonly string[] = []): RolloutState => ({
  status: 'running',
  phase: 0,
  sinceMs: nowMs,
  admitted: holders,
  forgiven: [],
});

/**
 * What becomes of a rollout now; the same state when nothing does. Failures come first, then who is admitted in this phase, then the
 * next phase: when the wait is over, somebody succeeded and nobody who was reached is still to report.
 */
export function step(settings: RolloutSettings, state: RolloutState, view: RolloutView): RolloutState {
  if (state.status !== 'running') return state;
  const { phases } = settings;
  const phase = Math.min(state.phase, phases.length - 1);
  const counts = countsOf(state, view);
  const failed = counts.failed.filter((id) => !state.forgiven.includes(id)).length;
  if (failed > 0 && failed / counts.admitted.length > settings.failureLimit)
    return failedState(settings, state, failed, counts.admitted.length);
  const more = newcomers(phases.slice(0, phase + 1), counts.admitted, view);
  if (more.length > 0)
    return { ...state, phase, admitted: [...state.admitted, ...more], ...(counts.admitted.length === 0 && { sinceMs: view.nowMs }) };
  if (view.targeted.length === 0) return state;
  const settled = counts.admitted.length === 0 ? phase < phases.length - 1 : counts.succeeded > 0 && counts.pending === 0;
  const waited = counts.admitted.length === 0 || view.nowMs - state.sinceMs >= settings.waitMs;
  if (!settled || !waited) return state;
  if (phase === phases.length - 1) return { ...state, status: 'done', phase, sinceMs: view.nowMs, admitted: [], forgiven: [] };
  return { ...state, phase: phase + 1, sinceMs: view.nowMs };
}

/** What a person wants of it; undefined when that makes no sense now. */
export function steered(
  action: RolloutAction,
  state: RolloutState,
  settings: RolloutSettings,
  view: RolloutView,
): RolloutState | undefined {
  const { reason: _, ...rest } = state;
  const { nowMs } = view;
  switch (action) {
    case 'pause':
      return state.status === 'running' ? { ...state, status: 'paused', reason: 'paused by a person' } : undefined;
    case 'rollback':
      return state.status === 'rolled-back' ? undefined : rolledBack(state, 'rolled back by a person', nowMs);
    case 'advance':
      if (state.status !== 'running' || state.phase >= settings.phases.length - 1) return undefined;
      return { ...rest, phase: state.phase + 1, sinceMs: nowMs };
    case 'resume':
      if (state.status === 'rolled-back') return firstState(nowMs);
      if (state.status !== 'paused' && state.status !== 'stopped') return undefined;
      return { ...rest, status: 'running', sinceMs: nowMs, forgiven: countsOf(state, view).failed };
  }
}

function failedState(settings: RolloutSettings, state: RolloutState, failed: number, admitted: number): RolloutState {
  const reason = `${failed} of ${admitted} failed, more than the limit of ${settings.failureLimit * 100} %`;
  return settings.onFailure === 'rollback' ? rolledBack(state, reason, state.sinceMs) : { ...state, status: 'stopped', reason };
}

const rolledBack = (state: RolloutState, reason: string, nowMs: number): RolloutState => ({
  ...{ status: 'rolled-back', phase: state.phase, sinceMs: nowMs, admitted: [], forgiven: [], reason },
});

export function countsOf(state: RolloutState, { targeted, health }: Pick<RolloutView, 'targeted' | 'health'>) {
  const may = new Set(state.admitted);
  const all = targeted.map(({ deviceId }) => String(deviceId));
  const admitted = state.status === 'done' ? all : all.filter((id) => may.has(id));
  const of = (wanted: Health): readonly string[] => admitted.filter((id) => health(id) === wanted);
  return {
    admitted,
    failed: of('failed'),
    succeeded: of('succeeded').length,
    pending: of('pending').length,
    unreached: of('unreached').length,
  };
}

/** Who is to be admitted besides, in an order that no id and no time decides, and that is the same after a restart. */
function newcomers(phases: readonly Phase[], admitted: readonly string[], { id, targeted }: RolloutView): readonly string[] {
  const has = new Set(admitted);
  const waiting = targeted.filter(({ deviceId }) => !has.has(String(deviceId)));
  const chosen = new Set<string>();
  for (const phase of phases) {
    if (phase.kind !== 'condition') continue;
    for (const row of waiting) if (phase.matches(row)) chosen.add(String(row.deviceId));
  }
  const quota = Math.max(0, ...phases.map((phase) => quotaOf(phase, targeted.length)));
  const missing = quota - has.size - chosen.size;
  if (missing > 0) {
    const order = waiting.map(({ deviceId }) => String(deviceId)).filter((one) => !chosen.has(one));
    for (const one of inDrawnOrder(id, order).slice(0, missing)) chosen.add(one);
  }
  return [...chosen];
}

function quotaOf(phase: Phase, targeted: number): number {
  if (phase.kind === 'count') return phase.count;
  if (phase.kind === 'fraction') return Math.ceil(phase.fraction * targeted);
  return phase.kind === 'all' ? targeted : 0;
}

function inDrawnOrder(id: string, devices: readonly string[]): readonly string[] {
  const drawn = devices.map((device) => ({ device, lot: createHash('sha256').update(`${id}/${device}`).digest('hex') }));
  return drawn.toSorted((a, b) => (a.lot < b.lot ? -1 : 1)).map(({ device }) => device);
}
