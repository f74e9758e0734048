import { z } from 'zod';
import { anyGlob } from '../../model/glob.ts';
import { type HubEvent, priorities, type TelemetryEvent } from '../../model/telemetry.ts';

const patterns = z.union([
  z
    .string()
    .min(1)
    .transform((one) => [one]),
  z.array(z.string().min(1)).min(1),
]);

/** `select:` of a destination: what it gets. Every key that is given must let a reading through; a key that is not given lets everything through. */
export const Selection = z.strictObject({
  equipment: patterns.optional().describe('Ids of machines; cooker-* stands for all that begin so'),
  path: patterns.optional().describe('ISA-95 paths; ** stands for any number of levels: candyco/leeds/**'),
  points: patterns.optional().describe('Names of points'),
  messages: patterns.optional().describe('Names of messages, as telemetry: of the mapping gives them'),
  priority: z
    .union([z.enum(priorities).transform((one) => [one]), z.array(z.enum(priorities)).min(1)], {
      error: `one of ${priorities.join(', ')}, or a list of them`,
    })
    .optional()
    .describe('Priorities, as telemetry: of the mapping gives them'),
});
export type Selection = z.output<typeof Selection>;

export type Select = (event: HubEvent) => HubEvent | undefined;

/** Gives the part of an event that is selected, or undefined when nothing is. Gap records follow the machine they are about; those of the gateway go everywhere. */
export function selector(selection: Selection): Select {
  const { equipment, path, points, messages, priority } = selection;
  const all = (): boolean => true;
  const ofEquipment = equipment ? anyGlob(equipment) : all;
  const ofPath = path ? anyGlob(path) : all;
  const ofPoint = points ? anyGlob(points) : undefined;
  const ofMessage = messages ? anyGlob(messages) : all;
  const urgent = priority ? new Set<string>(priority) : undefined;
  return (event) => {
    if (event.type === 'dragoman.gap.v1') return gapConcerns(event.data.equipment, ofEquipment) ? event : undefined;
    if (event.type !== 'dragoman.telemetry.v1') return event;
    const { data } = event;
    if (!ofEquipment(data.equipment) || !ofPath(data.path ?? '') || !ofMessage(data.message ?? 'telemetry')) return undefined;
    if (urgent && !urgent.has(event.priority ?? 'telemetry')) return undefined;
    return ofPoint ? withPoints(event, ofPoint) : event;
  };
}

function gapConcerns(equipment: string | undefined, ofEquipment: (id: string) => boolean): boolean {
  return equipment === undefined || ofEquipment(equipment);
}

function withPoints(event: TelemetryEvent, ofPoint: (name: string) => boolean): TelemetryEvent | undefined {
  const readings = event.data.readings.filter(({ point }) => ofPoint(point));
  if (readings.length === 0) return undefined;
  return readings.length === event.data.readings.length ? event : { ...event, data: { ...event.data, readings } };
}
