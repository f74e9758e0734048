import { isBitTable, type Table } from './types.ts';

interface Span {
  readonly from: number;
  readonly to: number;
}

/** What one connection has found out about its machines. Forgotten with the link: after a reboot or an update they may do better. */
export class Learned {
  readonly #max = new Map<string, number>();
  readonly #forbidden = new Map<string, Span[]>();
  readonly #suspicions = new Map<string, number>();

  /** Most units per request: the configured limit, or less where the machine refused that. Registers share one limit, bits another. */
  max(unitId: number, table: Table, configured: number): number {
    return Math.min(configured, this.#max.get(limitKey(unitId, table)) ?? configured);
  }

  lower(unitId: number, table: Table, max: number): void {
    this.#max.set(limitKey(unitId, table), max);
  }

  /** [from, to) must not be read over. */
  forbid(unitId: number, table: Table, from: number, to: number): void {
    const key = `${unitId} ${table}`;
    const spans = this.#forbidden.get(key) ?? [];
    if (!spans.some((span) => span.from === from && span.to === to)) spans.push({ from, to });
    this.#forbidden.set(key, spans);
  }

  allow(unitId: number, table: Table, from: number, to: number): void {
    const spans = this.#forbidden.get(`${unitId} ${table}`);
    const at = spans?.findIndex((span) => span.from === from && span.to === to) ?? -1;
    if (at >= 0) spans!.splice(at, 1);
  }

  forbidden(unitId: number, table: Table, from: number, to: number): boolean {
    return this.#forbidden.get(`${unitId} ${table}`)?.some((span) => span.from < to && span.to > from) ?? false;
  }

  /** How often this very request was refused for a reason that may pass by itself. */
  suspect(unitId: number, table: Table, start: number, count: number): number {
    const key = `${unitId} ${table} ${start}+${count}`;
    const times = (this.#suspicions.get(key) ?? 0) + 1;
    this.#suspicions.set(key, times);
    return times;
  }
}

function limitKey(unitId: number, table: Table): string {
  return `${unitId} ${isBitTable(table) ? 'bits' : 'registers'}`;
}
