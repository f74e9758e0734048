import type { Log } from '../../adapters/contract.ts';

/** The log with the name of the destination in each line: hub clients know brokers and addresses, and several destinations may have the same. */
export function namedLog(log: Log, destination: string): Log {
  return {
    debug: (fields, message) => log.debug({ destination, ...fields }, message),
    info: (fields, message) => log.info({ destination, ...fields }, message),
    warn: (fields, message) => log.warn({ destination, ...fields }, message),
    error: (fields, message) => log.error({ destination, ...fields }, message),
  };
}
