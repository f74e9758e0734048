import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CompiledEquipment, CompiledPoint, Converter } from '../mappings/equipment.ts';
import type { SampleBatch, SampleState } from '../model/sample.ts';
import { qualityOf, statuses } from '../model/status.ts';
import type { RawValue, Value } from '../model/value.ts';
import { type Clock, Pipeline } from './pipeline.ts';

const plain: Converter = (raw, _type, state, out) => {
  out.quality = state === undefined ? 'good' : qualityOf(state.status);
  out.value = out.quality === 'bad' ? undefined : (raw as Value);
  out.type = undefined;
  out.state = state;
  return out;
};

function point(name: string, changes: Partial<CompiledPoint> = {}): CompiledPoint {
  return {
    name,
    address: name,
    rawType: undefined,
    everyMs: 100,
    staleAfterMs: 300,
    atLeastEveryMs: undefined,
    unit: undefined,
    description: undefined,
    convert: plain,
    deadband: undefined,
    write: undefined,
    hash: `${name}${JSON.stringify(changes)}`,
    ...changes,
  };
}

function machine(points: readonly CompiledPoint[]): CompiledEquipment {
  return { id: 'm', path: '', file: 'm.yaml', adapter: 'none', settings: {}, points, messages: [], hash: '', connectionHash: '' };
}

function harness(points: readonly CompiledPoint[], before?: Pipeline) {
  const clock = { mono: 0, wall: 1_000_000 };
  const source: Clock = { monotonicMs: () => clock.mono, wallMs: () => clock.wall + clock.mono };
  const out: Record<string, unknown>[] = [];
  const lost: unknown[] = [];
  const pipeline = new Pipeline(
    machine(points),
    {
      add: (text) => out.push(JSON.parse(text) as Record<string, unknown>),
      settle: (done) => done(),
      lost: (loss) => lost.push(loss),
    },
    source,
    before,
  );
  const sample = (value: RawValue | undefined, more: Partial<SampleBatch> = {}, index = 0): void =>
    pipeline.accept({ receivedMs: source.wallMs(), points: [index], values: [value], ...more });
  return { pipeline, clock, out, lost, sample };
}

/** What a sweep that looks at every point would still find. */
function overdue({ states: s }: Pipeline, now: number): readonly string[] {
  return s.equipment.points.flatMap(({ name, staleAfterMs, atLeastEveryMs }, index) => {
    const quality = s.qualities[index];
    const patience = quality === undefined ? Math.max(staleAfterMs, 5_000) : staleAfterMs;
    const stale = quality !== 'bad' && now - s.seenMono[index]! > patience;
    const silent = quality !== undefined && atLeastEveryMs !== undefined && now - s.reportedMono[index]! >= atLeastEveryMs;
    return stale || silent ? [`${name} ${stale ? 'stale' : 'no heartbeat'}`] : [];
  });
}

const timedOut: SampleState = { status: statuses.BadTimeout, reason: 'no answer within 1 s' };

test('the first value leaves, an equal one does not, a changed one does', () => {
  const { out, sample, pipeline } = harness([point('a')]);
  for (const value of [1, 1, 2]) sample(value);
  expect(out.map(({ value }) => value)).toEqual([1, 2]);
  expect(pipeline.counters).toEqual({ sampled: 3, suppressed: 1, queued: 2 });
});

test('the deadband compares with the last reported value, so a slow drift is seen', () => {
  const deadband = { width: 1, exceeded: (reported: Value, value: Value) => Math.abs((value as number) - (reported as number)) >= 1 };
  const { out, sample } = harness([point('a', { deadband })]);
  for (const value of [10, 10.4, 10.8, 11.2, 11.6]) sample(value);
  expect(out.map(({ value }) => value)).toEqual([10, 11.2]);
});

test('a change of status is news even if the value is the same', () => {
  const { out, sample } = harness([point('a')]);
  sample(5);
  sample(5, { states: [{ status: statuses.UncertainSensorNotAccurate }] });
  sample(5);
  expect(out.map(({ quality, status, value }) => ({ quality, status, value }))).toEqual([
    { quality: undefined, status: undefined, value: 5 },
    { quality: 'uncertain', status: 'UncertainSensorNotAccurate', value: 5 },
    { quality: undefined, status: undefined, value: 5 },
  ]);
});

test('a bad reading carries status, reason and the time of the last good one', () => {
  const { out, sample, clock } = harness([point('a')]);
  sample(5);
  clock.mono = 50;
  sample(undefined, { states: [timedOut] });
  sample(undefined, { states: [timedOut] });
  expect(out).toHaveLength(2);
  expect(out[1]).toMatchObject({
    quality: 'bad',
    status: 'BadTimeout',
    reason: 'no answer within 1 s',
    lastGood: new Date(1_000_000).toISOString(),
  });
  expect(out[1]).not.toHaveProperty('value');
});

test('a point that stops answering says so within staleAfter, once, and comes back', () => {
  const { out, sample, clock, pipeline } = harness([point('a')]);
  sample(5);
  clock.mono = 299;
  pipeline.sweep();
  expect(out).toHaveLength(1);
  for (const mono of [301, 400, 500]) {
    clock.mono = mono;
    pipeline.sweep();
  }
  expect(out).toHaveLength(2);
  expect(out[1]).toMatchObject({ quality: 'bad', status: 'BadNoCommunication' });
  sample(5);
  expect(out[2]).toMatchObject({ value: 5 });
});

test('a point that never answered is bad after five seconds, or staleAfter where that is longer', () => {
  const { out, clock, pipeline } = harness([point('a'), point('slow', { staleAfterMs: 60_000 })]);
  clock.mono = 4_999;
  pipeline.sweep();
  expect(out).toEqual([]);
  clock.mono = 5_001;
  pipeline.sweep();
  expect(out).toMatchObject([{ point: 'a', quality: 'bad', status: 'BadWaitingForInitialData' }]);
});

test('proof of life keeps an unchanged point fresh without a message', () => {
  const { out, sample, clock, pipeline } = harness([point('a')]);
  sample(5);
  for (let mono = 200; mono < 2_000; mono += 200) {
    clock.mono = mono;
    pipeline.accept({ receivedMs: mono, points: [], values: [], verified: [0] });
    pipeline.sweep();
  }
  expect(out).toHaveLength(1);
});

test('a heartbeat repeats the latest though nothing came', () => {
  const { out, sample, clock, pipeline } = harness([point('a', { atLeastEveryMs: 1_000, staleAfterMs: 60_000 })]);
  sample(5);
  for (const mono of [500, 1_000, 1_500, 2_000]) {
    clock.mono = mono;
    pipeline.sweep();
  }
  expect(out.map(({ value }) => value)).toEqual([5, 5, 5]);
});

test('a lost link turns everything bad at once, and what is bad already stays as it is', () => {
  const { out, sample, pipeline } = harness([point('a'), point('b')]);
  sample(5);
  sample(undefined, { states: [timedOut] }, 1);
  pipeline.linkLost({ status: statuses.BadNotConnected, reason: 'connection refused' });
  expect(out.slice(2)).toMatchObject([{ point: 'a', quality: 'bad', status: 'BadNotConnected', reason: 'connection refused' }]);
});

test('a reload neither repeats nor forgets what did not change', () => {
  const first = harness([point('a'), point('b')]);
  first.sample(5);
  first.sample(6, {}, 1);
  const second = harness([point('b'), point('c')], first.pipeline);
  second.sample(6, {}, 0);
  second.sample(7, {}, 1);
  expect(second.out).toMatchObject([{ point: 'c', value: 7 }]);
});

test('64-bit integers leave as exact strings, 100 ns digits of a source time survive', () => {
  const typed: Converter = (raw, _type, _state, out) =>
    Object.assign(out, { value: raw, type: 'uint64', quality: 'good', state: undefined });
  const { out, sample } = harness([point('a', { convert: typed })]);
  sample(1311768468603649775n, { sourceTimesMs: [Date.UTC(2026, 10, 24, 8, 0, 1, 250)], sourceTicks: [1234] });
  expect(out[0]).toMatchObject({ value: '1311768468603649775', type: 'uint64', time: '2026-11-24T08:00:01.2501234Z' });
});

test('sampled = suppressed + queued, whatever happens', () => {
  const event = fc.oneof(
    fc.record({
      kind: fc.constant('sample' as const),
      index: fc.integer({ min: 0, max: 2 }),
      value: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 500 }) }),
    fc.record({ kind: fc.constant('lost' as const) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const { pipeline, clock, out, sample } = harness([
        point('a'),
        point('b', { atLeastEveryMs: 200 }),
        point('c', { staleAfterMs: 1_000 }),
      ]);
      for (const one of events) {
        if (one.kind === 'sample') sample(one.value, one.value === undefined ? { states: [timedOut] } : {}, one.index);
        else if (one.kind === 'lost') pipeline.linkLost({ status: statuses.BadNotConnected });
        else {
          clock.mono += one.ms;
          pipeline.sweep();
          expect(overdue(pipeline, clock.mono)).toEqual([]);
        }
        const { sampled, suppressed, queued } = pipeline.counters;
        expect(sampled).toBe(suppressed + queued);
        expect(out).toHaveLength(queued);
      }
    }),
  );
});

describe('points that make themselves known', () => {
  const pattern = point('x_{metric}', { pattern: true });
  const appeared = (metric: string) => [{ pattern: 1, captures: { metric } }];

  test('begin with their first sample, then go stale like any other; the pattern itself never speaks', () => {
    const { clock, out, sample, pipeline } = harness([point('a'), pattern]);
    sample(1);
    sample(7, { appeared: appeared('flow/in') }, 2);
    sample(8, {}, 2);
    expect(out.map(({ point, value }) => [point, value])).toEqual([
      ['a', 1],
      ['x_flow_in', 7],
      ['x_flow_in', 8],
    ]);
    clock.mono += 60_000;
    pipeline.sweep();
    expect(out.slice(3).map(({ point, quality }) => [point, quality])).toEqual([
      ['a', 'bad'],
      ['x_flow_in', 'bad'],
    ]);
  });

  test('are found again when the adapter numbers anew', () => {
    const { out, sample, pipeline } = harness([point('a'), pattern]);
    sample(1, { appeared: appeared('p') }, 2);
    sample(2, { appeared: appeared('q') }, 3);
    pipeline.begin();
    sample(3, { appeared: appeared('q') }, 2);
    expect(out.map(({ point, value }) => [point, value])).toEqual([
      ['x_p', 1],
      ['x_q', 2],
      ['x_q', 3],
    ]);
  });

  test('are numbered by the machine that the adapter sees, though the mapping may tell fewer apart', () => {
    const { out, sample } = harness([point('a'), pattern]);
    sample(1, { machine: { line: '1' }, appeared: appeared('p') }, 2);
    sample(2, { machine: { line: '2' }, appeared: appeared('q') }, 2);
    sample(3, { machine: { line: '1' } }, 2);
    expect(out.map(({ point, value }) => [point, value])).toEqual([
      ['x_p', 1],
      ['x_q', 2],
      ['x_p', 3],
    ]);
  });

  test('two that make one name are not mixed: the second is a loss', () => {
    const { out, lost, sample } = harness([point('a'), pattern]);
    sample(1, { appeared: appeared('a/b') }, 2);
    sample(2, { appeared: appeared('a b') }, 3);
    expect(out.map(({ point, value }) => [point, value])).toEqual([['x_a_b', 1]]);
    expect(lost).toMatchObject([{ point: 'x_a_b', reason: expect.stringMatching(/two names/) }]);
  });

  test('never take the place of a point that the mapping names', () => {
    const { out, lost, sample } = harness([point('x_p'), pattern]);
    sample(2, { appeared: appeared('p') }, 2);
    sample(1);
    expect(out.map(({ point, value }) => [point, value])).toEqual([['x_p', 1]]);
    expect(lost).toEqual([]);
  });

  test('hundreds of them keep what they know', () => {
    const { out, sample, pipeline } = harness([point('a'), pattern]);
    for (let n = 0; n < 300; n++) sample(n, { appeared: appeared(String(n)) }, n + 2);
    for (let n = 0; n < 300; n++) sample(n, {}, n + 2);
    expect(out).toHaveLength(300);
    expect(pipeline.states.readings()).toHaveLength(300);
  });
});
