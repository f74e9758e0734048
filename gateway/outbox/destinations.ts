import { GatewayError } from '../../model/error.ts';
import type { DestinationSettings } from './contract.ts';
import type { Position } from './messages.ts';
import type { State } from './state-file.ts';

/** So many positions have room in the state file, whatever their names and marks are. */
export const maxDestinations = 16;
const maxNameLength = 64;
export const maxMarkLength = 64;
const namePattern = /^[A-Za-z0-9_-]+$/;

const theHub: readonly DestinationSettings[] = [{ name: 'hub', required: true }];

/** Throws a GatewayError `outbox-destinations` when they do not go together. */
export function checkedDestinations(destinations = theHub): readonly DestinationSettings[] {
  const names = destinations.map(({ name }) => name);
  const wrong = names.find((name) => !namePattern.test(name) || name.length > maxNameLength);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  const problem =
    wrong !== undefined
      ? [`"${wrong}" is not the name of a destination`, `Use letters, digits, hyphens and underscores, at most ${maxNameLength}.`]
      : twice !== undefined
        ? [`two destinations are named "${twice}"`, 'Give each a name of its own; it is how the outbox knows its position again.']
        : destinations.length > maxDestinations
          ? [`${destinations.length} destinations are more than the ${maxDestinations} that one outbox serves`, 'Run a second gateway.']
          : !destinations.some(({ required }) => required)
            ? ['no destination is required, so nothing would be kept for any', 'Make one of them required.']
            : undefined;
  if (!problem) return destinations;
  throw new GatewayError('outbox-destinations', `outbox: ${problem[0]}`, { retry: 'after-fix', hint: problem[1]! });
}

/** Who goes on where. `known` has a position from the former life, undefined for one that is new to this log. */
export interface Matched {
  readonly destinations: readonly { readonly settings: DestinationSettings; readonly known: Position | undefined }[];
  readonly removed: readonly Position[];
}

/**
 * Names decide. Two exceptions keep a backlog from being lost by a mere change of the settings: a log with one destination and settings with
 * one other name mean the same destination; and a log of the time when there was only one, without a name, belongs to the only
 * destination, else to `hub`, else to the first required one.
 */
export function matched(state: State, destinations: readonly DestinationSettings[]): Matched {
  const former = state.destinations ?? [{ name: heirOf(destinations), required: true, head: state.head, headReadings: state.headReadings }];
  const renamed = former.length === 1 && destinations.length === 1;
  const known = (name: string): Position | undefined => (renamed ? former[0] : former.find((position) => position.name === name));
  const names = new Set(destinations.map(({ name }) => name));
  return {
    destinations: destinations.map((settings) => ({ settings, known: known(settings.name) })),
    removed: renamed ? [] : former.filter(({ name }) => !names.has(name)),
  };
}

function heirOf(destinations: readonly DestinationSettings[]): string {
  const named = destinations.find(({ name }) => name === 'hub') ?? destinations.find(({ required }) => required) ?? destinations[0]!;
  return named.name;
}
