import type { Log } from '../../adapters/contract.ts';
import { backoff } from '../../model/backoff.ts';
import { GatewayError } from '../../model/error.ts';
import type { GatewayConfig } from '../config.ts';
import type { Gateway } from '../gateway.ts';
import type { LogBook } from '../methods/log-book.ts';
import { MethodRefusal, type Methods } from '../methods/methods.ts';
import { pause } from '../pause.ts';
import type { ModuleControl, ModulesState } from './contract.ts';
import { addModuleMethods } from './methods.ts';
import type { ModuleService } from './service.ts';
import type { ModulesSettings } from './settings.ts';

/** A service that lived so long was no failed start. */
const soundAfterMs = 60_000;
/** A swap that is taken back can take longer; the next start finds it and finishes it. The readings that are still to reach the disk cannot wait. */
const endsWithinMs = 700;

/** For `/status` while the modules are not looked after. */
export interface ModulesAway {
  readonly problem: string;
  readonly hint?: string;
}

export interface StartedModules extends AsyncDisposable {
  /** For `/status`. */
  state(): ModulesState | ModulesAway;
}

/**
 * Looks after the modules beside the main job: returns at once, and what keeps it from beginning (a port that is taken, a full disk) is said and tried
 * again, with back-off, until it is disposed. Modules run on when it is.
 */
export function startModules(parts: {
  readonly config: GatewayConfig;
  readonly settings: ModulesSettings;
  readonly gateway: Gateway;
  readonly methods: Methods;
  readonly log: Log;
  readonly logBook: LogBook;
}): StartedModules {
  const stop = new AbortController();
  const stopped = new Promise<undefined>((resolve) => stop.signal.addEventListener('abort', () => resolve(undefined), { once: true }));
  let service: ModuleService | undefined;
  let away: ModulesAway = { problem: 'it is being started' };
  const open = async (): Promise<void> => {
    const { ModuleService } = await import('./service.ts');
    const waits = backoff();
    for (let said = ''; !stop.signal.aborted; ) {
      try {
        service = await ModuleService.open(parts, stop.signal);
        if (said !== '') parts.log.info({}, 'modules are looked after again');
        said = '';
        const openedMono = performance.now();
        const failure = await Promise.race([service.failed, stopped]);
        if (!failure) return;
        // The next one opens the same folders.
        const broken = service;
        service = undefined;
        await broken[Symbol.asyncDispose]();
        if (performance.now() - openedMono > soundAfterMs) waits.reset();
        throw failure;
      } catch (error) {
        if (stop.signal.aborted) return;
        const hint = error instanceof GatewayError ? error.hint : undefined;
        away = { problem: (error as Error).message, ...(hint !== undefined && { hint }) };
        if (away.problem !== said)
          parts.log.error({ reason: away.problem, ...(hint !== undefined && { hint }) }, 'modules cannot be looked after; trying again');
        said = away.problem;
        await pause(waits.next(error), stop.signal);
      }
    }
  };
  const opening = open().catch((error: unknown) => parts.log.error({ err: error }, 'modules failed by a defect'));
  const now = (): ModuleControl => {
    if (service) return service;
    throw new MethodRefusal(
      503,
      'modules-away',
      `modules are not looked after: ${away.problem}`,
      away.hint === undefined ? {} : { hint: away.hint },
    );
  };
  addModuleMethods(parts.methods, {
    state: () => now().state(),
    check: (manifest) => now().check(manifest),
    plan: (manifest) => now().plan(manifest),
    deploy: (manifest, by) => now().deploy(manifest, by),
    call: (name, payload) => now().call(name, payload),
  });
  return {
    state: () => service?.state() ?? away,
    async [Symbol.asyncDispose]() {
      stop.abort();
      const over = new AbortController();
      const closed = opening.then(() => service?.[Symbol.asyncDispose]());
      await Promise.race([closed, pause(endsWithinMs, over.signal)]);
      over.abort();
    },
  };
}
