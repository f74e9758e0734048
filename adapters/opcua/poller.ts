import { setTimeout as sleep } from 'node:timers/promises';
import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import { withDeadline } from './deadline.ts';
import type { Item } from './monitoring.ts';
import { badBatch, readItems, type ServerView } from './reader.ts';

export interface PollEvents {
  push(batch: SampleBatch): void;
  /** The session does not answer any more. */
  failed(error: Error): void;
  full(): boolean;
  late(): void;
}

export interface PollPlan {
  readonly everyMs: number;
  readonly items: readonly Item[];
  /** How long an answer may take before the points are bad: within their `staleAfter`. */
  readonly patienceMs: number;
  /** How long no answer may come before the session is given up. */
  readonly giveUpMs: number;
  readonly where: string;
}

/** Reads its items every `everyMs` until the signal aborts. One read is under way at a time; a poll that would overtake it is late. */
export async function poll(view: ServerView, plan: PollPlan, events: PollEvents, signal: AbortSignal): Promise<void> {
  const { everyMs, items } = plan;
  for (let due = performance.now(); !signal.aborted; due += everyMs) {
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => {});
    else if (wait < -everyMs) {
      events.late();
      due = performance.now();
    }
    if (signal.aborted || items.length === 0) return;
    if (events.full()) continue;
    try {
      for (const batch of await readOnce(view, plan, events)) events.push(batch);
    } catch (error) {
      if (!signal.aborted) events.failed(error as Error);
      return;
    }
  }
}

/** An answer that is late makes the points bad, and is still waited for: it says that the server lives. */
async function readOnce(view: ServerView, plan: PollPlan, events: PollEvents): Promise<readonly SampleBatch[]> {
  const answer = readItems(view, plan.items);
  const late = new Error('late');
  try {
    return await withDeadline(answer, plan.patienceMs, () => late);
  } catch (error) {
    if (error !== late) throw error;
    const state: SampleState = {
      status: statuses.BadTimeout,
      reason: `no answer from ${plan.where} within ${Math.round(plan.patienceMs) / 1000} s`,
    };
    events.push(
      badBatch(
        plan.items.map(({ index }) => index),
        () => state,
        view,
      ),
    );
    return withDeadline(answer, plan.giveUpMs, () => new Error(`no answer within ${plan.giveUpMs / 1000} s`));
  }
}
