import { loadMappings } from '../../mappings/load.ts';
import { formatProblems, formatSamples } from '../../mappings/report.ts';
import { loadAdapters } from '../adapters.ts';

/** `dragoman check`: 0 no errors, 1 errors. Warnings alone do not fail. */
export async function check(paths: readonly string[], options: { json?: boolean; adapter?: readonly string[] }): Promise<number> {
  const { problems, equipment, files, samples } = await loadMappings(paths, await loadAdapters(options.adapter ?? [], process.cwd()));
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  if (options.json) process.stdout.write(`${JSON.stringify(problems, undefined, 2)}\n`);
  else {
    if (problems.length > 0) process.stdout.write(`${formatProblems(problems)}\n\n`);
    const failed = samples.filter((sample) => !sample.passed);
    if (failed.length > 0) process.stdout.write(`${formatSamples(failed)}\n\n`);
    const points = equipment.reduce((sum, one) => sum + one.points.length, 0);
    const parts = [
      counted(files.length, 'file'),
      counted(equipment.length, 'machine'),
      counted(points, 'point'),
      `${counted(samples.length, 'sample value')} checked`,
    ];
    process.stdout.write(
      `${parts.join(', ')}: ${errors === 0 ? 'no errors' : counted(errors, 'error')}${warnings(problems.length - errors)}\n`,
    );
  }
  return errors === 0 ? 0 : 1;
}

/** `dragoman test`: only the samples, all of them. */
export async function testSamples(paths: readonly string[], options: { json?: boolean; adapter?: readonly string[] }): Promise<number> {
  const { problems, samples } = await loadMappings(paths, await loadAdapters(options.adapter ?? [], process.cwd()));
  // A file whose samples fail has that as its error; others never came to their samples.
  const others = problems.filter((problem) => problem.severity === 'error' && problem.rule !== 'sample-failed');
  const failed = samples.filter((sample) => !sample.passed).length;
  if (options.json) process.stdout.write(`${JSON.stringify(samples, undefined, 2)}\n`);
  else {
    if (others.length > 0) process.stderr.write(`${formatProblems(others)}\n`);
    if (samples.length > 0) process.stdout.write(`${formatSamples(samples)}\n`);
    process.stdout.write(samples.length === 0 ? 'no samples in these files\n' : `${samples.length - failed} passed, ${failed} failed\n`);
  }
  return failed === 0 && others.length === 0 ? 0 : 1;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function warnings(count: number): string {
  return count === 0 ? '' : `, ${counted(count, 'warning')}`;
}
