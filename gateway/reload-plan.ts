import type { CompiledEquipment } from '../mappings/equipment.ts';

/** What a new set of mappings changes for the machines that run. Pure. */
export interface ReloadPlan {
  readonly added: readonly CompiledEquipment[];
  readonly removed: readonly CompiledEquipment[];
  readonly changed: readonly EquipmentChange[];
  readonly unchanged: number;
}

export interface EquipmentChange {
  readonly before: CompiledEquipment;
  readonly after: CompiledEquipment;
  /** The connection block changed: the wire is closed and opened again. */
  readonly reopens: boolean;
  readonly pointsAdded: number;
  readonly pointsRemoved: number;
  readonly pointsChanged: number;
}

export function planReload(running: readonly CompiledEquipment[], wanted: readonly CompiledEquipment[]): ReloadPlan {
  const before = new Map(running.map((equipment) => [equipment.id, equipment]));
  const after = new Map(wanted.map((equipment) => [equipment.id, equipment]));
  const changed: EquipmentChange[] = [];
  let unchanged = 0;
  for (const equipment of wanted) {
    const old = before.get(equipment.id);
    if (!old) continue;
    if (old.hash === equipment.hash) unchanged++;
    else changed.push(compare(old, equipment));
  }
  return {
    added: wanted.filter((equipment) => !before.has(equipment.id)),
    removed: running.filter((equipment) => !after.has(equipment.id)),
    changed,
    unchanged,
  };
}

function compare(before: CompiledEquipment, after: CompiledEquipment): EquipmentChange {
  const old = new Map(before.points.map((point) => [point.name, point.hash]));
  let pointsAdded = 0;
  let pointsChanged = 0;
  for (const point of after.points) {
    const hash = old.get(point.name);
    if (hash === undefined) pointsAdded++;
    else if (hash !== point.hash) pointsChanged++;
    old.delete(point.name);
  }
  const reopens = before.connectionHash !== after.connectionHash || before.adapter !== after.adapter;
  return { before, after, reopens, pointsAdded, pointsChanged, pointsRemoved: old.size };
}

export function isEmpty(plan: ReloadPlan): boolean {
  return plan.added.length === 0 && plan.removed.length === 0 && plan.changed.length === 0;
}

/** `cooker-1: 2 points changed, 1 added, connection kept; … ; 0 connections reopened`. One line a machine, then the sum. */
export function formatPlan(plan: ReloadPlan): string[] {
  const sum = (pick: (change: EquipmentChange) => number): number => plan.changed.reduce((total, change) => total + pick(change), 0);
  const reopened = plan.changed.filter((change) => change.reopens).length;
  const parts = [
    `${counted(
      sum((c) => c.pointsChanged),
      'point',
    )} changed`,
    `${sum((c) => c.pointsAdded)} added`,
    ...(sum((c) => c.pointsRemoved) > 0 ? [`${sum((c) => c.pointsRemoved)} removed`] : []),
    ...(plan.added.length > 0 ? [`${counted(plan.added.length, 'machine')} added`] : []),
    ...(plan.removed.length > 0 ? [`${counted(plan.removed.length, 'machine')} removed`] : []),
    `${counted(reopened, 'connection')} reopened`,
  ];
  return [
    ...plan.added.map((equipment) => `  + ${equipment.id}: ${counted(equipment.points.length, 'point')}`),
    ...plan.removed.map((equipment) => `  - ${equipment.id}`),
    ...plan.changed.map(
      (change) =>
        `  ~ ${change.after.id}: ${change.pointsChanged} changed, ${change.pointsAdded} added, ${change.pointsRemoved} removed, connection ${change.reopens ? 'reopened' : 'kept'}`,
    ),
    parts.join(', '),
  ];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
