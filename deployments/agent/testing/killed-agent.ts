import type { Engine } from '../../engine/contract.ts';
import { readManifest } from '../../manifest/read-manifest.ts';
import { changing } from './fake-box.ts';
import { openReal } from './real-agent.ts';

/** Run as a process: carries out a manifest, and kills itself (SIGKILL) before or after the call of that number. Prints `done` when it never came to it. */
const [folder, host, manifest, call, moment] = process.argv.slice(2);
let count = 0;

function deadly(engine: Engine): Engine {
  const calls = engine as unknown as Record<string, Deadly>;
  const passing = ['info', 'container', 'containers', 'logs', 'events', 'ensureNetwork'];
  const wrapped: Record<string | symbol, unknown> = { at: engine.at, [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose]() };
  for (const name of passing) wrapped[name] = (...args: unknown[]) => calls[name]!(...args);
  for (const name of changing) {
    wrapped[name] = async (...args: unknown[]) => {
      const mine = ++count === Number(call);
      if (mine && moment === 'before') process.kill(process.pid, 'SIGKILL');
      const result = await calls[name]!(...args);
      if (mine) process.kill(process.pid, 'SIGKILL');
      return result;
    };
  }
  return wrapped as unknown as Engine;
}

type Deadly = (...args: unknown[]) => Promise<unknown>;

const agent = await openReal(folder!, host!, {}, deadly);
const { code, description } = await agent.apply(readManifest(JSON.parse(manifest!)).manifest!, 2, 'hub');
await agent[Symbol.asyncDispose]();
process.stdout.write(`done ${code} ${description}\n`);
