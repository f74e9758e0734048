import type { TelemetryReading } from '../model/telemetry.ts';
import type { EquipmentRunner } from './equipment-runner.ts';
import { messageReading } from './reading-message.ts';

const withinMs = 20_000;

export interface ReadNow {
  /** By machine. */
  readonly readings: Readonly<Record<string, readonly TelemetryReading[]>>;
  /** By machine, or by the id of the equipment whose connection failed. */
  readonly errors: Readonly<Record<string, string>>;
}

/** Reads machines over the connections that are open, beside what they observe. `wanted` names machines or patterns; undefined: all. */
export async function readNow(runners: readonly EquipmentRunner[], wanted: readonly string[] | undefined): Promise<ReadNow> {
  const ids = wanted && new Set(wanted);
  const chosen = runners.filter(
    ({ equipment: { id }, machines }) => !ids || ids.has(id) || machines.some((machine) => ids.has(machine.equipment.id)),
  );
  const readings: Record<string, readonly TelemetryReading[]> = {};
  const errors: Record<string, string> = {};
  await Promise.all(
    chosen.map(async (runner) => {
      try {
        for (const [id, read] of await runner.readNow(AbortSignal.timeout(withinMs)))
          if (!ids || ids.has(id) || ids.has(runner.equipment.id)) readings[id] = read.map(messageReading);
      } catch (error) {
        errors[runner.equipment.id] = error instanceof Error ? error.message : String(error);
      }
    }),
  );
  for (const id of ids ?? []) if (!(id in readings) && !(id in errors)) errors[id] = 'there is no such machine';
  return { readings, errors };
}
