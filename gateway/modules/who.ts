import { z } from 'zod';
import type { Log } from '../../adapters/contract.ts';
import type { KeyStore } from '../../deployments/key-store.ts';
import { storedJson } from '../../deployments/stored-json.ts';
import { backoff } from '../../model/backoff.ts';
import { pause } from '../pause.ts';
import type { EdgePlace } from './upstream/place.ts';

/** Who this box is for its modules, and for which hub their tokens are. */
export interface Who {
  readonly deviceId: string;
  /** Host name of the hub. */
  readonly hub: string;
}

/** In place of the name of a hub, where it knows no modules. */
export const noHub = 'dragoman.internal';

const fileName = 'who.json';
const Stored = z.object({ deviceId: z.string().min(1), hub: z.string().min(1) });
/** A box that is assigned to its hub by provisioning has to ask once; later it remembers. */
const askWithinMs = 5_000;

/**
 * As the hub says, else as it said last: modules start without a link. Without either it is asked until it answers or the signal aborts (then it
 * rejects). For a hub that knows no modules the gateway itself is the device.
 */
export async function whoWeAre(
  parts: { readonly edge: EdgePlace | undefined; readonly gateway: string; readonly store: KeyStore; readonly log: Log },
  signal: AbortSignal,
): Promise<Who> {
  const { edge, gateway, store, log } = parts;
  if (!edge) return { deviceId: gateway, hub: noHub };
  const known = storedJson(Stored, await store.read(fileName));
  const waits = backoff();
  for (let said = false; ; said = true) {
    try {
      const within = AbortSignal.any([signal, AbortSignal.timeout(askWithinMs)]);
      const { deviceId, hub } = await edge.device(within);
      if (known?.deviceId !== deviceId || known.hub !== hub) await store.write(fileName, JSON.stringify({ deviceId, hub }));
      return { deviceId, hub };
    } catch (error) {
      if (signal.aborted) throw error;
      if (known) return known;
      if (!said) log.warn({ reason: (error as Error).message }, 'modules wait: the hub has not said yet who this gateway is');
      await pause(waits.next(error), signal);
      signal.throwIfAborted();
    }
  }
}
