import type { SampleBatch, SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { RawValue, ValueType } from '../../model/value.ts';
import type { ObservedPoint } from '../contract.ts';
import type { AmqpAddress } from './address.ts';
import type { Endpoint } from './endpoint.ts';
import type { Incoming } from './inflow.ts';
import { type Route, readMessage, routesOf } from './observation.ts';

interface Sample {
  readonly value: RawValue | undefined;
  readonly state: SampleState | undefined;
  readonly timeMs: number;
  readonly ticks: number;
  readonly type: ValueType | undefined;
}

export interface LookOptions {
  /** Longest wait for a message. */
  readonly timeoutMs: number;
  readonly timeoutText: string;
}

/** More messages than this are not looked through for the sake of one point; the peek holds no more either. */
const mostMessages = 10;
/** All points have something, some of it bad: so long may a message come that says more. */
const betterMs = 500;

/**
 * Reads points once without taking anything away: waits for the next messages of each address,
 * takes the first value for each point, and gives them back (`released`).
 * A queue keeps its order where its broker puts released messages back in their place; they then count as redelivered.
 */
export async function lookOnce(
  endpoint: Endpoint,
  points: readonly ObservedPoint<AmqpAddress>[],
  options: LookOptions,
  signal: AbortSignal,
): Promise<readonly SampleBatch[]> {
  const samples: Sample[] = new Array(points.length);
  await Promise.all(routesOf(points).map((route) => lookAt(endpoint, route, samples, options, signal)));
  return [
    {
      receivedMs: Date.now(),
      points: points.map((_, index) => index),
      values: samples.map(({ value }) => value),
      states: samples.map(({ state }) => state),
      sourceTimesMs: samples.map(({ timeMs }) => timeMs),
      sourceTicks: samples.map(({ ticks }) => ticks),
      types: samples.map(({ type }) => type),
    },
  ];
}

async function lookAt(
  endpoint: Endpoint,
  route: Route,
  samples: Sample[],
  { timeoutMs, timeoutText }: LookOptions,
  signal: AbortSignal,
): Promise<void> {
  const held: Incoming[] = [];
  let refused: string | undefined;
  let betterUntil: NodeJS.Timeout | undefined;
  const done = Promise.withResolvers<void>();
  const show = (shown: Incoming | { readonly refused: string }): void => {
    if ('refused' in shown) {
      refused = shown.refused;
      done.resolve();
      return;
    }
    held.push(shown);
    keep(readMessage(route, shown.bytes, shown.receivedMs).samples, samples);
    if (held.length >= mostMessages || route.points.every((index) => samples[index]?.value !== undefined)) done.resolve();
    else if (route.points.every((index) => samples[index])) betterUntil ??= setTimeout(() => done.resolve(), betterMs);
  };
  const stop = (): void => done.reject(signal.reason);
  const late = setTimeout(() => done.resolve(), timeoutMs);
  signal.addEventListener('abort', stop, { once: true });
  void endpoint.lost.then((error) => done.reject(error));
  {
    await using _peek = endpoint.peek(route.address, show);
    try {
      signal.throwIfAborted();
      await done.promise;
    } finally {
      clearTimeout(late);
      clearTimeout(betterUntil);
      signal.removeEventListener('abort', stop);
      for (const each of held) each.settle('released');
    }
  }
  const state: SampleState = refused
    ? { status: statuses.BadNotFound, reason: refused }
    : {
        status: statuses.BadNoData,
        reason:
          held.length === 0
            ? `no message on ${route.address} within ${timeoutText}`
            : `none of ${held.length} messages on ${route.address} was for this point`,
      };
  for (const index of route.points) samples[index] ??= { value: undefined, state, timeMs: Date.now(), ticks: 0, type: undefined };
}

function keep(
  { points, values, states, sourceTimesMs, sourceTicks, types }: ReturnType<typeof readMessage>['samples'],
  samples: Sample[],
): void {
  points.forEach((point, k) => {
    if (samples[point]?.value !== undefined) return;
    samples[point] = { value: values[k], state: states[k], timeMs: sourceTimesMs[k]!, ticks: sourceTicks[k]!, type: types[k] };
  });
}
