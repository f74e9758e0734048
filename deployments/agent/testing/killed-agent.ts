import type { Engine } from '../../engine/contract.ts';
import { readManifest } from '../../manifest/read-manifest.ts';
import { changing } from './fake-box.ts';
import { openReal } from './real-agent.ts';

/** Run as a process: carries out a manifest, and kills itself (SIGKILL) before or after the call of that number. Prints `done` when it never came to it. */
const [folder, host, manifest, call, moment] = process.argv.slice(2);
let count = 0;

function deadly(engine: Engine): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const value = Reflect.get(target, name, target) as unknown;
      if (typeof value !== 'function') return value;
      if (!changing.includes(name as (typeof changing)[number])) return value.bind(target);
      return async (...args: unknown[]) => {
        const mine = ++count === Number(call);
        if (mine && moment === 'before') process.kill(process.pid, 'SIGKILL');
        const result = await (value as (...all: unknown[]) => Promise<unknown>).apply(target, args);
        if (mine) process.kill(process.pid, 'SIGKILL');
        return result;
      };
    },
  });
}

const agent = await openReal(folder!, host!, {}, deadly);
const { code, description } = await agent.apply(readManifest(JSON.parse(manifest!)).manifest!, 2, 'hub');
await agent[Symbol.asyncDispose]();
process.stdout.write(`done ${code} ${description}\n`);
