import { GatewayError } from '../../model/error.ts';
import { endpointName } from './endpoint.ts';
import { type Link, type Login, openLink, type Version } from './link.ts';
import type { WantedVersion } from './settings.ts';

/** Brokers that turned MQTT 5 down and took 3.1.1. In memory: a broker may be updated, and a restart of the gateway asks again. */
const onlyOld = new Set<string>();

/** Codes of failures that may mean: it does not know MQTT 5. RabbitMQ 3.10 closes without an answer. */
const mayBeVersion = new Set(['mqtt-version', 'mqtt-closed-unanswered']);

/** Opens a link with the wanted version; `auto` tries 5 and then 3.1.1, and remembers what a broker took. */
export async function openNegotiated(login: Login, wanted: WantedVersion, signal: AbortSignal): Promise<Link> {
  const key = endpointName(login.endpoint);
  if (wanted !== 'auto') return openLink(login, ({ '5': 5, '3.1.1': 4 } as const)[wanted], signal);
  const first: Version = onlyOld.has(key) ? 4 : 5;
  try {
    return await openLink(login, first, signal);
  } catch (error) {
    if (!(error instanceof GatewayError) || !mayBeVersion.has(error.code) || signal.aborted) throw error;
    // What was learned may be over as well: another broker stands at this address now.
    const second: Version = first === 5 ? 4 : 5;
    const link = await openLink(login, second, signal).catch((again: unknown) => {
      // Of two that say the same, the first; one that got an answer says more.
      throw again instanceof GatewayError && !mayBeVersion.has(again.code) ? again : error;
    });
    if (second === 4) onlyOld.add(key);
    else onlyOld.delete(key);
    return link;
  }
}
