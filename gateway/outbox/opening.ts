import type { DestinationSettings } from './contract.ts';
import { matched } from './destinations.ts';
import type { FoundLoss, FoundPosition, Position, Saved, StoredGap } from './messages.ts';
import { type Mark, type Recovered, recover } from './recovery.ts';
import type { State } from './state-file.ts';
import { type Extent, type Loser, namesOf, readingsIn, sharesOf, Track } from './track.ts';

/** The log as it was found, with the destinations of the settings on their places in it. */
export interface Found {
  readonly recovered: Recovered;
  readonly destinations: readonly FoundPosition[];
  /** Readings that only removed destinations had not got. */
  readonly removed: number;
  /** What the last life left to be said, and what was found missing now: to be saved before anything is cut off. */
  readonly saved: Saved;
}

/** Reads the folder; see `recover` for what it changes there. */
export function findLog(folder: string, state: State | undefined, settings: readonly DestinationSettings[]): Found {
  const plan = state
    ? matched(state, settings)
    : { destinations: settings.map((one) => ({ settings: one, known: undefined })), removed: [] };
  const known = plan.destinations.map((one) => one.known).filter((position) => position !== undefined);
  const former = [...known, ...plan.removed];
  const recovered = recover(folder, state, former.map(asMark));
  const end = { sequence: recovered.nextSequence - 1, readings: recovered.readings };
  const torn = recovered.lost.find(({ reason, told }) => reason === 'torn-tail' && !told);
  const destinations = plan.destinations.map(({ settings: { name, required }, known: position }): FoundPosition => {
    const found: Mark = position ? recovered.heads[former.indexOf(position)]! : state ? end : recovered.start;
    const { sequence: head, readings: headReadings, seenMs = Number.NEGATIVE_INFINITY } = found;
    const mark = position?.mark === undefined ? {} : { mark: position.mark };
    const behind = torn ? savedTrack(head, position, headReadings).open(torn) : [];
    return { name, required, head, headReadings, ...mark, torn: readingsIn(behind), seenMs };
  });
  const gaps = new FoundGaps(state, recovered);
  const tracks = destinations.map(({ name, head, headReadings }, i) => {
    return { name, track: savedTrack(head, plan.destinations[i]!.known, headReadings) };
  });
  for (const loss of recovered.lost.filter(({ told }) => !told)) gaps.missing(loss, tracks);
  const left = gaps.left(recovered.heads.slice(known.length), plan.removed, destinations);
  return { recovered, destinations, removed: left, saved: gaps.saved(destinations) };
}

/** Not the place in the log that is left but the one that was saved: it may be beyond a torn end. */
function savedTrack(head: number, known: Position | undefined, headReadings: number): Track {
  return new Track(head, Math.max(known?.headReadings ?? 0, headReadings));
}

const asMark = ({ head, headReadings }: Position): Mark => ({ sequence: head, readings: headReadings });

/** Gap records that the start itself makes. */
class FoundGaps {
  readonly #state: State | undefined;
  readonly #recovered: Recovered;
  readonly #made: StoredGap[] = [];
  #lastId: number;

  constructor(state: State | undefined, recovered: Recovered) {
    this.#state = state;
    this.#recovered = recovered;
    this.#lastId = Math.max(state?.lastGapId ?? 0, recovered.lastGapId);
  }

  #make(part: Extent, fromMs: number, toMs: number, reason: string, destination?: string): void {
    const { firstSequence, lastSequence } = part;
    const whose = destination === undefined ? {} : { destination };
    this.#made.push({ id: ++this.#lastId, fromMs, toMs, readings: readingsIn([part]), reason, firstSequence, lastSequence, ...whose });
  }

  missing(loss: FoundLoss, destinations: readonly Loser[]): void {
    for (const share of sharesOf(loss, destinations)) {
      for (const name of namesOf(share, destinations)) this.#make(share, loss.fromMs, loss.toMs, loss.reason, name);
    }
  }

  /** What a required destination had not got that is not in the settings any more, and everybody else has. Gives its readings. */
  left(heads: readonly Mark[], removed: readonly Position[], destinations: readonly FoundPosition[]): number {
    const lastSequence = Math.min(...destinations.map(({ head }) => head));
    const readingsThrough = Math.min(...destinations.map(({ headReadings }) => headReadings));
    let most = 0;
    removed.forEach(({ name, required }, i) => {
      const { sequence, readings } = heads[i]!;
      if (!required || sequence >= lastSequence) return;
      const part = { firstSequence: sequence + 1, lastSequence, readingsBefore: readings, readingsThrough };
      const inside = this.#recovered.states.filter((s) => s.lastSequence > sequence && s.firstSequence <= lastSequence);
      if (inside.length === 0) return;
      this.#make(part, Math.min(...inside.map((s) => s.fromMs)), Math.max(...inside.map((s) => s.toMs)), 'removed', name);
      most = Math.max(most, readingsIn([part]));
    });
    return most;
  }

  saved(destinations: readonly FoundPosition[]): Saved {
    const state = this.#state;
    const { lost, lastGapId } = this.#recovered;
    const lowest = Math.min(...destinations.map(({ head }) => head));
    const ranges = lost.filter(({ told }) => !told).map((part) => [part.firstSequence, part.lastSequence] as const);
    return {
      destinations: destinations.map(({ torn: _, seenMs: __, ...position }) => position),
      // Those that reached the log travel with it.
      gaps: [...(state?.gaps ?? []).filter((gap) => gap.id > lastGapId), ...this.#made],
      lastGapId: this.#lastId,
      told: [...(state?.told ?? []).filter(([, last]) => last > lowest), ...ranges],
    };
  }
}
