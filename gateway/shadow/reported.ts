import type { ShadowService } from './service.ts';

const [mostRuns, mostPoints] = [3, 3];

/** For `reported.shadow`: the last runs, by number, with the points that differ most. */
export function reportedShadow(service: ShadowService): Record<string, unknown> {
  const reports = service.reports(mostPoints).slice(0, mostRuns);
  return Object.fromEntries(
    reports.map(({ id, machines, unmet, ...report }) => {
      const shown = machines.slice(0, mostPoints).map(({ equipment, points, compared, differences, more = 0 }) => ({
        equipment,
        points,
        compared,
        differ: differences.length + more,
        worst: differences.map(({ point, share, max, factor, offset }) => ({ point, share, ...optional({ max, factor, offset }) })),
      }));
      return [`run${id}`, { ...report, ...(unmet && { unmet: unmet.slice(0, mostPoints) }), machines: shown }];
    }),
  );
}

/** A twin takes integers of 53 bits less one; anything beyond stands as text. */
const largest = 4_503_599_627_370_495;

function optional(values: Readonly<Record<string, number | undefined>>): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => {
      if (value === undefined) return [];
      return [[key, Math.abs(value) > largest ? value.toPrecision(6) : value]];
    }),
  );
}
