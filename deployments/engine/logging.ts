import { isTwinObject, type TwinObject } from '../../twin/section.ts';

/** A module that talks without end must not fill the disk: 30 MB for each. */
export const defaultLogConfig: TwinObject = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } };

/**
 * Docker's LogConfig out of a manifest's `loggingOptions`: that object as JSON text, or as the daemon's own file has it (`log-driver`,
 * `log-opts`). Undefined where it is empty, or cannot be read: then the default holds.
 */
export function readLoggingOptions(text: string): TwinObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isTwinObject(value)) return undefined;
  const byName = new Map(Object.entries(value).map(([key, one]) => [key.toLowerCase(), one]));
  const type = byName.get('type') ?? byName.get('log-driver');
  const config = byName.get('config') ?? byName.get('log-opts');
  if (typeof type !== 'string' && !isTwinObject(config)) return undefined;
  return { Type: typeof type === 'string' ? type : 'json-file', Config: isTwinObject(config) ? config : {} };
}
