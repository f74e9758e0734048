import type { EventPosition } from '../core/contract.ts';

/** A filter that is none this endpoint knows; the text says which ones it knows. */
export class SelectorError extends Error {}

const form = /^\s*amqp\.annotation\.(x-opt-[a-z-]+)\s*(>=|>)\s*'?([^']*?)'?\s*$/;

/** Where a reader begins, by its filter `apache.org:selector-filter:string`; without one at the first event that is kept. Throws SelectorError. */
export function positionOf(selector: string | undefined): EventPosition {
  if (selector === undefined || selector.trim() === '') return 'earliest';
  const [, annotation, operator, value = ''] = form.exec(selector) ?? [];
  const inclusive = operator === '>=';
  if (annotation === 'x-opt-offset' && value === '-1') return 'earliest';
  if (annotation === 'x-opt-offset' && value === '@latest') return 'latest';
  // Offsets are sequence numbers here, written as text.
  if ((annotation === 'x-opt-offset' || annotation === 'x-opt-sequence-number') && isCount(value)) {
    return { afterSequenceNumber: Number(value), inclusive };
  }
  if (annotation === 'x-opt-enqueued-time' && isCount(value)) return { enqueuedAfterMs: inclusive ? Number(value) - 1 : Number(value) };
  throw new SelectorError(
    `the filter "${selector.slice(0, 200)}" is none of amqp.annotation.x-opt-offset > '…', x-opt-sequence-number > '…', x-opt-enqueued-time > '…' (or >=)`,
  );
}

const isCount = (text: string): boolean => /^-?\d+$/.test(text) && Number.isSafeInteger(Number(text));
