import fc from 'fast-check';
import type { HubEvent, TelemetryReading } from '../../model/telemetry.ts';
import { gap, telemetry } from './sample.ts';

const time = fc
  .tuple(fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2026, 11, 31) }), fc.constantFrom('', '0001', '1234', '5'))
  .map(([ms, ticks]) => new Date(ms).toISOString().replace('Z', `${ticks}Z`));

const point = fc.constantFrom('a', 'b', 'temperature', 'time', 'equipment', 'time_', 'x9');

const valued = fc.oneof(
  fc.record({ value: fc.double({ noDefaultInfinity: true, noNaN: true }).map((n) => n + 0) }),
  fc.record({ value: fc.integer(), unit: fc.constantFrom('Cel', 'kW.h', 'bar') }),
  fc.record({ value: fc.boolean() }),
  fc.record({ value: fc.string({ unit: 'grapheme' }) }),
  fc.record({ value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String), type: fc.constant('int64' as const) }),
  fc.record({
    value: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    type: fc.constant('bytes' as const),
  }),
);

const state = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  fc.constant({ quality: 'uncertain' as const, status: 'UncertainSubNormal' }),
);
const bad = fc.record({ quality: fc.constant('bad' as const), status: fc.constant('BadTimeout'), reason: fc.string({ unit: 'grapheme' }) });

export const anyReading: fc.Arbitrary<TelemetryReading> = fc
  .tuple(point, fc.oneof({ weight: 6, arbitrary: fc.tuple(valued, state) }, fc.tuple(bad, fc.constant({}))), time)
  .map(([name, [what, how], at]) => ({ point: name, ...what, ...how, time: at }));

/** Events in order; ids rise. */
export const anyEvents: fc.Arbitrary<readonly HubEvent[]> = fc
  .array(
    fc.oneof(
      { weight: 5, arbitrary: fc.tuple(fc.constantFrom('cooker-1', 'mixer-2', 'Öfen'), fc.array(anyReading, { maxLength: 12 })) },
      { weight: 1, arbitrary: fc.constant('gap' as const) },
    ),
    { maxLength: 8 },
  )
  .map((made) => made.map((one, i) => (one === 'gap' ? gap(i + 1) : telemetry(i + 1, one[1], { equipment: one[0] }))));

export const anyGrain = fc.constantFrom('batch' as const, 'event' as const, 'reading' as const);
