import type { GapEvent, HubEvent, TelemetryEvent } from '../../model/telemetry.ts';
import { isTelemetry } from '../subject.ts';
import type { Section } from './section.ts';

/** Sections of events in order; events without readings and records of losses that nobody makes a section of are left out. */
export function sectionsOf(
  events: readonly HubEvent[],
  telemetry: (event: TelemetryEvent) => Section | readonly Section[],
  gap?: (event: GapEvent) => Section,
): readonly Section[] {
  return events.flatMap((event) => {
    if (!isTelemetry(event)) return gap ? [gap(event)] : [];
    return event.data.readings.length === 0 ? [] : telemetry(event);
  });
}
