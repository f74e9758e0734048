import type { SampleState } from '../../model/sample.ts';
import { statuses } from '../../model/status.ts';
import type { PayloadAddress } from './address.ts';
import { showPlace } from './notation.ts';

/** A value as people recognise it, cut short: `"12,5 bar"`, `[1, 2, 3]`. */
export function showNode(node: unknown): string {
  const text =
    typeof node === 'string'
      ? JSON.stringify(node.slice(0, 60))
      : node instanceof Uint8Array
        ? `0x${Buffer.from(node.subarray(0, 16)).toString('hex')}`
        : node instanceof Map
          ? 'an object'
          : Array.isArray(node)
            ? 'an array'
            : typeof node === 'object' && node !== null
              ? String(Object.values(node)[0])
              : String(node);
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** `near`: the place that was probably meant. */
export function missingState(shown: string, near?: string): SampleState {
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return { status: statuses.BadNotFound, reason: `the message has no ${shown}${hint}` };
}

export function emptyState(shown: string): SampleState {
  return { status: statuses.BadNoData, reason: `${shown} is empty` };
}

export function mismatchState(shown: string, node: unknown, wanted: string): SampleState {
  return { status: statuses.BadTypeMismatch, reason: `${shown} is ${showNode(node)}, not ${wanted}${cureOf(node, wanted)}` };
}

/** There the day or hour itself is impossible. */
const looksIso = (text: string): boolean => /^\s*\d{4}-\d\d-\d\d/.test(text);

/** What to write in the mapping, where the text itself tells. */
function cureOf(node: unknown, wanted: string): string {
  if (typeof node !== 'string') return '';
  if (wanted === 'a point in time') return looksIso(node) ? '' : '; timeFormat says how it is written';
  return /^\s*[-+]?\d+,\d+\s*$/.test(node) ? '; decimal: "," reads a decimal comma' : '';
}

export function rangeState(shown: string, node: unknown, type: string): SampleState {
  return { status: statuses.BadOutOfRange, reason: `${shown} is ${showNode(node)}, outside ${type}` };
}

export function doubtfulState(shown: string, node: unknown): SampleState {
  return {
    status: statuses.Uncertain,
    reason: `${shown} is ${showNode(node)}, which clocks showed twice when summer time ended; the first is taken`,
  };
}

export function noTimeState(shown: string, node: unknown): SampleState {
  const found = node === undefined ? 'the message has no' : `${showNode(node)} is no time at`;
  const cure = typeof node === 'string' && !looksIso(node) ? ' (timeFormat says how it is written)' : '';
  return { status: statuses.Uncertain, reason: `${found} ${shown}; the time of arrival stands in${cure}` };
}

export const doubtfulTime: SampleState = {
  status: statuses.Uncertain,
  reason: 'clocks showed the source time twice when summer time ended; the first is taken',
};

/** Nothing came yet that a point of this address could take: on which topic or queue, and what a message must carry. */
export function waitingState(
  where: string,
  { when = [], keep, shown }: Pick<PayloadAddress, 'when' | 'keep' | 'shown'>,
  what = 'message on',
): SampleState {
  const tests = when.map(({ place, values }) => `${showPlace(place)} = ${values.map((value) => showNode(value)).join(' or ')}`);
  const carried = [...tests, ...(keep ? [shown] : [])].join(' and ');
  const reason = `no ${what} ${where} yet${carried === '' ? '' : ` that has ${carried}`}`;
  return { status: statuses.BadWaitingForInitialData, reason };
}
