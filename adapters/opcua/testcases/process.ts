import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '../../../test/support/child.ts';

const main = fileURLToPath(new URL('../simulators/main.ts', import.meta.url));

/** A simulator in a process of its own, listening. */
export async function startSimulatorProcess(port: number, folder: string, ...more: readonly string[]): Promise<Child> {
  const child = startChild(process.execPath, [main, '--port', String(port), '--folder', folder, ...more]);
  await child.line(/^ready /, 20_000);
  return child;
}
