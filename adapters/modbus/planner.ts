import { isBitTable, type Table } from './types.ts';

/** What the planner needs to know of a point; the caller gives points of one interval class. */
export interface Wanted {
  readonly unitId: number;
  readonly table: Table;
  readonly start: number;
  readonly count: number;
}

export interface PlannedRead {
  readonly unitId: number;
  readonly table: Table;
  readonly start: number;
  readonly count: number;
  /** Indexes into `wanted`, by start. */
  readonly members: readonly number[];
}

export interface PlanLimits {
  /** Most registers, or bits, that one request to this unit may ask for. */
  max(unitId: number, table: Table): number;
  /** Unwanted registers or bits that may be read over. */
  readonly maxGap: number;
  readonly oneRequestPerPoint?: boolean;
  /** Whether something in [from, to) of this table must not be touched. Asked only for gaps. */
  forbidden?(unitId: number, table: Table, from: number, to: number): boolean;
}

/**
 * Covers every wanted value with as few requests as the limits allow. Each value lies whole in the one request that names it,
 * since a value put together from two answers may be half old, half new. A value longer than the limit gets a request of its own.
 * Deterministic; sorts once, then one pass.
 */
export function planReads(wanted: readonly Wanted[], limits: PlanLimits): PlannedRead[] {
  const sorted = Uint32Array.from(wanted.keys()).sort((x, y) => {
    const a = wanted[x]!;
    const b = wanted[y]!;
    return a.unitId - b.unitId || tableRank[a.table] - tableRank[b.table] || a.start - b.start || b.count - a.count || x - y;
  });
  const reads: PlannedRead[] = [];
  let open: { unitId: number; table: Table; start: number; count: number; members: number[] } | undefined;
  let max = 0;
  for (const index of sorted) {
    const point = wanted[index]!;
    const end = point.start + point.count;
    if (open && open.unitId === point.unitId && open.table === point.table && !apart(open, point, end, max, limits)) {
      open.count = Math.max(open.count, end - open.start);
      open.members.push(index);
      continue;
    }
    open = { unitId: point.unitId, table: point.table, start: point.start, count: point.count, members: [index] };
    max = limits.max(point.unitId, point.table);
    reads.push(open);
  }
  return reads;
}

const tableRank: Readonly<Record<Table, number>> = { coil: 0, discrete: 1, input: 2, holding: 3 };

function apart(open: { start: number; count: number }, point: Wanted, end: number, max: number, limits: PlanLimits): boolean {
  const openEnd = open.start + open.count;
  // Bits of one word are one read of one register, whatever the machine thinks of joining.
  if (point.start === open.start && point.count === open.count) return false;
  if (limits.oneRequestPerPoint || end - open.start > max) return true;
  const gap = point.start - openEnd;
  if (gap <= 0) return false;
  // A gap of bits costs an eighth of a byte each; the limit is written for registers.
  const allowed = isBitTable(point.table) ? limits.maxGap * 16 : limits.maxGap;
  return gap > allowed || limits.forbidden?.(point.unitId, point.table, openEnd, point.start) === true;
}
