import type { GapEvent, HubEvent, TelemetryEvent } from '../../model/telemetry.ts';
import { isGap, isTelemetry } from '../subject.ts';
import type { Section } from './section.ts';

/** Sections of events in order; events without readings, of unknown types, and records of losses that nobody makes a section of are left out. */
export function sectionsOf(
  events: readonly HubEvent[],
  telemetry: (event: TelemetryEvent) => Section | readonly Section[],
  gap?: (event: GapEvent) => Section,
): readonly Section[] {
  return events.flatMap((event) => {
    if (isTelemetry(event)) return event.data.readings.length === 0 ? [] : telemetry(event);
    return gap && isGap(event) ? [gap(event)] : [];
  });
}
