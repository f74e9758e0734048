import { glob } from '../../model/glob.ts';
import type { CompiledMessage, CompiledPoint } from '../equipment.ts';
import { suggestion } from '../nearest.ts';
import type { ProblemList } from '../problems.ts';
import type { EquipmentFile } from '../schema.ts';

type Written = NonNullable<EquipmentFile['telemetry']>;

/** The groups of `telemetry:`. A name written out is nearer than a pattern; two that are equally near are a mistake, as a reading leaves once. */
export function compileMessages(written: Written, points: readonly CompiledPoint[], problems: ProblemList): CompiledMessage[] {
  const names = points.map(({ name }) => name);
  const exact = new Map<string, string>();
  const messages = Object.entries(written).map(([name, { points: wanted, every, priority }]): CompiledMessage => {
    const tests = wanted.map((pattern, index) => {
      const covers = glob(pattern);
      if (!names.some(covers) && !points.some((point) => point.pattern)) {
        const hint = suggestion(pattern, names);
        problems.add(['telemetry', name, 'points', index], 'value', {
          rule: 'unknown-point',
          message: `telemetry: ${pattern} is no point of this machine`,
          ...(hint && { hint }),
        });
      }
      if (!isPattern(pattern)) takeExact(exact, pattern, name, ['telemetry', name, 'points', index], problems);
      return covers;
    });
    return { name, covers: (point) => tests.some((covers) => covers(point)), everyMs: every, priority };
  });
  for (const point of names) checkOnce(point, messages, exact, problems);
  return messages.map((message) => ({
    ...message,
    covers: (point) => (exact.has(point) ? exact.get(point) === message.name : message.covers(point)),
  }));
}

const isPattern = (text: string): boolean => /[*?]/.test(text);

function takeExact(
  exact: Map<string, string>,
  point: string,
  message: string,
  path: readonly (string | number)[],
  problems: ProblemList,
): void {
  const other = exact.get(point);
  if (other === undefined) exact.set(point, message);
  else problems.add(path, 'value', inTwo(point, other, message));
}

function checkOnce(point: string, messages: readonly CompiledMessage[], exact: ReadonlyMap<string, string>, problems: ProblemList): void {
  if (exact.has(point)) return;
  const [first, second] = messages.filter((message) => message.covers(point));
  if (first && second) problems.add(['telemetry', second.name], 'key', inTwo(point, first.name, second.name));
}

function inTwo(point: string, first: string, second: string) {
  return {
    rule: 'in-two-messages',
    message: `telemetry: ${point} is in ${first} and in ${second}; a reading leaves once`,
    hint: `name ${point} itself in the one that is meant, and let no other name it`,
  };
}
