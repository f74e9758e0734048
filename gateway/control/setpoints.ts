import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Outcome } from '../twin/applier.ts';
import type { WriteReport } from './contract.ts';
import { printable } from './methods.ts';
import type { WritePath } from './write-path.ts';

const scalar = z.union([z.number(), z.string().max(4_096), z.boolean()]);

/** `desired.setpoints`: machine, point, and the value it shall have; `until` is the moment after which it is not carried out any more. */
const Setpoints = z.record(
  z.string(),
  z.record(z.string(), z.union([scalar, z.strictObject({ value: scalar, until: z.iso.datetime({ offset: true }).optional() })])),
);

interface Wish {
  readonly equipment: string;
  readonly point: string;
  readonly value: number | string | boolean;
  readonly until: string | undefined;
}

/**
 * Carries out what changed against the setpoints that were applied before, one after another for a machine, past all guards. A version is
 * carried out once, also over kill -9: hub and number are part of the key. `told` gets every outcome, for the twin.
 */
export function setpointApplier(
  path: WritePath,
  hub: string,
  told: (wish: { equipment: string; point: string }, outcome: Record<string, unknown>) => void,
) {
  return async (value: unknown, previous: unknown, version: number): Promise<Outcome> => {
    const parsed = Setpoints.safeParse(value ?? {});
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      return {
        status: 'refused',
        message: `setpoints${issue ? `.${issue.path.join('.')}: ${issue.message}` : ''}; write { "machine": { "point": 95 } }`,
      };
    }
    const before = new Map(wishesOf(Setpoints.safeParse(previous ?? {}).data ?? {}).map((wish) => [nameOf(wish), wish]));
    const changed = wishesOf(parsed.data).filter((wish) => !same(wish, before.get(nameOf(wish))));
    const reports = await Promise.all(
      changed.map(async (wish) => {
        const report = await carryOut(path, wish, `desired/${hash('sha256', hub, 'hex').slice(0, 12)}/${version}`);
        told(wish, { ...printable(report), version });
        return { wish, report };
      }),
    );
    const missed = reports.filter(({ report }) => report.outcome !== 'done');
    if (missed.length === 0) return { status: 'applied', message: `${changed.length} written` };
    const { wish, report } = missed[0]!;
    const others = missed.length > 1 ? `; and ${missed.length - 1} more` : '';
    const status = missed.every(({ report: { outcome } }) => outcome === 'refused') ? 'refused' : 'failed';
    return { status, message: `${nameOf(wish)} ${report.outcome}: ${report.reason}${others}` };
  };
}

function carryOut(path: WritePath, { equipment, point, value, until }: Wish, change: string): Promise<WriteReport> {
  return path.write({
    equipment,
    point,
    value,
    who: 'hub',
    from: 'desired',
    key: `${change}/${equipment}/${point}`.slice(0, 200),
    ...(until !== undefined && { deadline: Date.parse(until) }),
  });
}

function wishesOf(setpoints: z.output<typeof Setpoints>): readonly Wish[] {
  return Object.entries(setpoints).flatMap(([equipment, points]) =>
    Object.entries(points).map(([point, written]) =>
      typeof written === 'object'
        ? { equipment, point, value: written.value, until: written.until }
        : { equipment, point, value: written, until: undefined },
    ),
  );
}

const nameOf = ({ equipment, point }: Wish): string => `${equipment}/${point}`;
const same = (a: Wish, b: Wish | undefined): boolean => b !== undefined && a.value === b.value && a.until === b.until;
