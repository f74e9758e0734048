import type { Log } from '../adapters/contract.ts';

/** The log with these fields in each line: a hub client knows brokers and addresses, and several destinations or modules may have the same. */
export function fieldLog(log: Log, named: Readonly<Record<string, string>>): Log {
  return {
    debug: (fields, message) => log.debug({ ...named, ...fields }, message),
    info: (fields, message) => log.info({ ...named, ...fields }, message),
    warn: (fields, message) => log.warn({ ...named, ...fields }, message),
    error: (fields, message) => log.error({ ...named, ...fields }, message),
  };
}
