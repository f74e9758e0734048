import { type Endpoint, endpointName } from './endpoint.ts';

/** An accepted link that lives no longer than this was not worth much. */
const shortMs = 15_000;

const inARow = new Map<string, number>();

/**
 * Two clients with one id kick each other out, again and again; with 3.1.1 no broker says so. Counts how many links of this client id ended
 * soon after they were accepted, one after the other. `byUs`: we ended it ourselves.
 */
export function noteEnd(endpoint: Endpoint, clientId: string, livedMs: number, byUs: boolean): number {
  const key = `${endpointName(endpoint)} ${clientId}`;
  const kicks = byUs || livedMs > shortMs ? 0 : (inARow.get(key) ?? 0) + 1;
  if (kicks === 0) inARow.delete(key);
  else inARow.set(key, kicks);
  return kicks;
}
