import type { TwinDocument, Twins } from '../core/contract.ts';
import { answer } from '../query/answer.ts';
import type { Query, Row } from '../query/language.ts';
import type { Compiled } from './compiled.ts';
import type { Metrics } from './contract.ts';

/** Metrics of configurations, counted when they are asked for. The twins are read once, however many configurations there are. */
export class Measuring {
  readonly #twins: Twins;
  readonly #read = new Map<'devices' | 'modules', readonly Row[]>();

  constructor(twins: Twins) {
    this.#twins = twins;
  }

  system({ kind, target, systemQueries, system }: Compiled): Metrics {
    const edgeOnly = kind === 'edge' || kind === 'layer';
    let targetedCount = 0;
    for (const row of this.#rows(target.of)) {
      if (target.matches(row) && (!edgeOnly || (row as unknown as TwinDocument).capabilities?.iotEdge)) targetedCount++;
    }
    return { results: { targetedCount, ...this.#counted(system) }, queries: systemQueries };
  }

  custom({ configuration, custom }: Compiled): Metrics {
    return { results: this.#counted(custom), queries: configuration.metrics };
  }

  #counted(queries: readonly (readonly [string, Query])[]): Readonly<Record<string, number>> {
    return Object.fromEntries(queries.map(([name, query]) => [name, this.#count(query)]));
  }

  #count(query: Query): number {
    // There are no jobs.
    if (query.from === 'devices.jobs') return 0;
    let rows = 0;
    for (const _ of answer(query, this.#rows(query.from === 'devices' ? 'devices' : 'modules'))) rows++;
    return rows;
  }

  #rows(of: 'devices' | 'modules'): readonly Row[] {
    const rows = this.#read.get(of) ?? ([...this.#twins.all(of)] as unknown as Row[]);
    this.#read.set(of, rows);
    return rows;
  }
}
