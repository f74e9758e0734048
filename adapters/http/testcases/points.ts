import type { ObservedPoint } from '../../contract.ts';
import { http } from '../adapter.ts';
import type { HttpAddress } from '../address.ts';
import type { HttpSettings } from '../settings.ts';

export function settings(url: string, over: object = {}): HttpSettings {
  return http.connection.parse({ url, timeout: '2s', ...over });
}

const anywhere = settings('http://127.0.0.1');

/** A point as the mapping core would hand it over, for tests; throws when the address has an error. */
export function observed(
  name: string,
  path: string,
  at: string | undefined,
  own: Record<string, unknown> = {},
  everyMs = 50,
): ObservedPoint<HttpAddress> {
  const compiled = http.compilePoint(
    { name, at, own: http.point.parse({ path, ...own }), settings: anywhere, everyMs, write: false, bits: false },
    (key, finding) => {
      throw new Error(`${name}.${key}: ${finding.message}`);
    },
  );
  if (!compiled) throw new Error(`${name} has no address`);
  return { name, address: compiled.address, rawType: compiled.rawType, everyMs, staleAfterMs: 3 * everyMs };
}
