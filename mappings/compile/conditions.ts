import type { CompiledPoint } from '../equipment.ts';
import { compileExpression } from '../expression/expression.ts';
import { type ExpressionPoint, kindNouns } from '../expression/kinds.ts';
import type { Finding } from '../language.ts';
import { rawKind } from './kinds.ts';
import type { PointDraft } from './point.ts';

/** What conditions and formulas of this machine may know of its points. Points that make themselves known have no name yet. */
export function expressionPoints(drafts: readonly PointDraft[]): ReadonlyMap<string, ExpressionPoint> {
  return new Map(drafts.filter(({ point }) => !point.pattern).map((draft) => [draft.point.name, expressionPoint(draft)]));
}

function expressionPoint({ meaning, point }: PointDraft): ExpressionPoint {
  if (meaning.flags) return { kind: 'texts', words: meaning.flags.map(([, name]) => name) };
  if (meaning.enum) return { kind: 'text', words: [...new Set(meaning.enum.values())] };
  if (meaning.field) return { kind: meaning.field.single ? 'truth' : 'number' };
  if (meaning.linear || meaning.round !== undefined) return { kind: 'number' };
  const kind = rawKind(point.rawType);
  if (kind === 'bool') return { kind: 'truth' };
  if (kind === 'unknown') return { kind };
  return { kind: kind === 'integer' || kind === 'float' ? 'number' : 'text' };
}

/** Compiles the `onlyWhen` of each writable point, now that all points of the machine are known. */
export function withConditions(
  drafts: readonly PointDraft[],
  report: (point: string, key: readonly [string, ...PropertyKey[]], finding: Finding) => void,
): readonly PointDraft[] {
  if (drafts.every(({ point }) => point.write?.onlyWhen === undefined)) return drafts;
  const points = expressionPoints(drafts);
  return drafts.map((draft) => {
    const { write, name } = draft.point;
    if (write?.onlyWhen === undefined) return draft;
    const compiled = compileExpression(write.onlyWhen, points);
    const tell = (rule: string, message: string, hint: string | undefined, inside = 0): void =>
      report(name, ['write', 'onlyWhen'], { rule, message: `onlyWhen: ${message}`, ...(hint && { hint }), inside });
    if ('problems' in compiled) {
      for (const { rule, message, hint, from } of compiled.problems) tell(rule, message, hint, from);
      return draft;
    }
    const { expression } = compiled;
    if (expression.kind !== 'truth' && expression.kind !== 'unknown') {
      tell('expression-type', `it gives ${kindNouns[expression.kind]}, not true or false`, 'write a comparison: state == "running"');
    }
    if (expression.uses.length === 0) {
      tell('expression-type', 'no point of the machine is in it, so it never changes', 'name a point, or leave onlyWhen out');
    }
    const point: CompiledPoint = { ...draft.point, write: { ...write, condition: expression } };
    return { ...draft, point };
  });
}
