import type { SampleState } from '../../model/sample.ts';
import { type StatusName, statuses } from '../../model/status.ts';

const state = (status: StatusName, reason: string): SampleState => Object.freeze({ status: statuses[status], reason });

/** What a conversion can find. Constants, so that two equal findings are one object and nothing is allocated per value. */
export const found = {
  /** One of `invalid`: the machine's way to say that it has no value. */
  invalid: state('BadNoData', 'the raw value means "no value" (listed in invalid)'),
  /** NaN is how floats say "not available" (SunSpec, most meters): there is no value, and the encoding was fine. */
  notANumber: state('BadNoData', 'the machine sent NaN, which means no value'),
  infinite: state('BadOutOfRange', 'the machine sent an infinite number'),
  overflow: state('BadOutOfRange', 'the scaled value is too large for a number'),
  outside: state('UncertainEngineeringUnitsExceeded', 'outside the plausible range'),
  unlisted: state('Uncertain', 'the number is not listed in enum'),
  notNumeric: state(
    'BadTypeMismatch',
    'the mapping gives a unit, scale or round, so a number is expected; the machine sent something else',
  ),
  notInteger: state('BadTypeMismatch', 'the mapping expects a whole number for its bits or enum, the machine sent something else'),
  missing: state('BadNoData', 'no value came'),
} as const;
