/** What the hub may log with; pino fits. Constant message, data as fields. */
export interface HubLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: HubLog = { debug() {}, info() {}, warn() {}, error() {} };

type Level = 'debug' | 'info' | 'warn' | 'error';

/** Lines for a person: `08:00:01 warn  connection refused  device=gw-1 reason="the token has expired"`. */
export function lineLog(write: (line: string) => void, least: Level = 'info'): HubLog {
  const order: readonly Level[] = ['debug', 'info', 'warn', 'error'];
  const at = (level: Level) => (fields: object, message: string) => {
    if (order.indexOf(level) < order.indexOf(least)) return;
    const time = new Date().toTimeString().slice(0, 8);
    const data = Object.entries(fields).map(([key, value]) => ` ${key}=${written(value)}`);
    write(`${time} ${level.padEnd(5)} ${message}${data.length > 0 ? ` ${data.join('')}` : ''}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function written(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[\w.:/@-]+$/.test(text) ? text : JSON.stringify(text);
}

/**
 * Lets a hostile or broken client fill its own ear, not the log: for each key (an address, a device) and code one line
 * in `everyMs`; the next line says how many were held back. Remembers at most 1000 keys.
 */
export class LogThrottle {
  readonly #everyMs: number;
  readonly #seen = new Map<string, { sinceMs: number; held: number }>();

  constructor(everyMs = 10_000) {
    this.#everyMs = everyMs;
  }

  /** The number of lines held back since the last one, or undefined when this one is to be held back too. */
  admit(key: string, nowMs = Date.now()): number | undefined {
    const seen = this.#seen.get(key);
    if (seen && nowMs - seen.sinceMs < this.#everyMs) {
      seen.held++;
      return undefined;
    }
    if (this.#seen.size >= 1_000) this.#seen.clear();
    this.#seen.set(key, { sinceMs: nowMs, held: 0 });
    return seen?.held ?? 0;
  }
}
