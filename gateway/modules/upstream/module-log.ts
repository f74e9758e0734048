import type { Log } from '../../../adapters/contract.ts';

/** The log with the name of the module in each line: a hub client knows addresses, and all modules have the same. */
export function moduleLog(log: Log, module: string): Log {
  return {
    debug: (fields, message) => log.debug({ module, ...fields }, message),
    info: (fields, message) => log.info({ module, ...fields }, message),
    warn: (fields, message) => log.warn({ module, ...fields }, message),
    error: (fields, message) => log.error({ module, ...fields }, message),
  };
}
